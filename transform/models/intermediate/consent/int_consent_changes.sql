with

consent_news as (

    select * from {{ ref('int_consent_news') }}

),

recorded as (

    select
        change_id,
        profile_id,
        form_id,
        channel,
        change,
        failure_type,
        list_name,
        occurred_at
    from {{ lf_ledger('fct_consent_log') }}

    union all

    select
        change_id,
        profile_id,
        form_id,
        channel,
        change,
        failure_type,
        list_name,
        occurred_at
    from consent_news

)

select * from recorded
