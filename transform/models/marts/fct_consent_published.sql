{{ config(materialized='append_only') }}

with

consent_due as (

    select * from {{ ref('int_consent_due') }}

),

suppressions_due as (

    select * from {{ ref('int_suppressions_due') }}

),

published as (

    select
        statement_ref,
        'subscribe' as action,
        {{ lf_now() }} as published_at
    from consent_due
    where
        consent = 'SUBSCRIBED'
        and waits_for is null

    union all

    select
        statement_ref,
        'suppress' as action,
        {{ lf_now() }} as published_at
    from suppressions_due

)

select * from published
