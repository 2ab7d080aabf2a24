with

accounts as (

    select * from {{ lf_of_accounts('fct_experiment_results') }}

)

select * from accounts
