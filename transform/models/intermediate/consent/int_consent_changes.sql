with

consent_news as (

    select * from {{ ref('int_consent_news') }}

),

consent_log as (

    select * from {{ lf_ledger('fct_consent_log') }}

),

-- The news may be a table that was made before they went into the log.
unioned as (

    select
        change_id,
        profile_id,
        form_id,
        channel,
        change,
        failure_type,
        list_name,
        occurred_at
    from consent_log

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
    where not exists (
        select 1
        from consent_log
        where consent_log.change_id = consent_news.change_id
    )

)

select * from unioned
