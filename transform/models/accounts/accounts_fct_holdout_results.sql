with

accounts as (

    select * from {{ lf_of_accounts('fct_holdout_results') }}

)

select * from accounts
