with

accounts as (

    select * from {{ lf_of_accounts('fct_flow_daily') }}

)

select * from accounts
