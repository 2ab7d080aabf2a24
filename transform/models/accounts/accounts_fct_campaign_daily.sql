with

accounts as (

    select * from {{ lf_of_accounts('fct_campaign_daily') }}

)

select * from accounts
