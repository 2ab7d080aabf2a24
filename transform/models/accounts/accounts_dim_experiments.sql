with

accounts as (

    select * from {{ lf_of_accounts('dim_experiments') }}

)

select * from accounts
