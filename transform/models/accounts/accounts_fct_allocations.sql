with

accounts as (

    select * from {{ lf_of_accounts('fct_allocations') }}

)

select * from accounts
