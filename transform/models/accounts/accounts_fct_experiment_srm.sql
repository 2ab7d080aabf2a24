with

accounts as (

    select * from {{ lf_of_accounts('fct_experiment_srm') }}

)

select * from accounts
