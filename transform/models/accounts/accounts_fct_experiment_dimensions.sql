with

accounts as (

    select * from {{ lf_of_accounts('fct_experiment_dimensions') }}

)

select * from accounts
