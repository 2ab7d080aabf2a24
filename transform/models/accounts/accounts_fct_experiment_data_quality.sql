with

accounts as (

    select * from {{ lf_of_accounts('fct_experiment_data_quality') }}

)

select * from accounts
