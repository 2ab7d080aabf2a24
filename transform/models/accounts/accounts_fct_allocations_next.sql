with

accounts as (

    select * from {{ lf_of_accounts('fct_allocations_next') }}

)

select * from accounts
