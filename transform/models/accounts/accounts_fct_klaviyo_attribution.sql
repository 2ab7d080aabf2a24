with

accounts as (

    select * from {{ lf_of_accounts('fct_klaviyo_attribution') }}

)

select * from accounts
