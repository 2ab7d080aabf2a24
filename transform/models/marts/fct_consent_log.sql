{{ config(materialized='append_only') }}

with

consent_news as (

    select * from {{ ref('int_consent_news') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

name_people as (

    select
        ---------- ids
        consent_news.change_id,
        consent_news.profile_id,
        profiles.external_id,
        consent_news.message_id,
        consent_news.form_id,

        ---------- texts
        consent_news.channel,
        consent_news.change,
        consent_news.failure_type,
        consent_news.list_name,

        ---------- timestamps
        consent_news.occurred_at,
        {{ lf_now() }} as recorded_at

    from consent_news
    left join profiles on consent_news.profile_id = profiles.profile_id

)

select * from name_people
