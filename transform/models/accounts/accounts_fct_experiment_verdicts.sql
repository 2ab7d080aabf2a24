with

accounts as (

    select * from {{ lf_of_accounts('fct_experiment_verdicts') }}

)

select * from accounts
