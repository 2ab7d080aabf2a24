with

accounts as (

    select * from {{ lf_of_accounts('fct_content_playbook') }}

)

select * from accounts
