{{ config(materialized='append_only') }}

with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

consent_metrics as (

    select * from {{ ref('consent_metrics') }}

),

known as (

    select change_id
    from {{ lf_ledger('fct_consent_log') }}

),

consent_metric_ids as (

    {{ lf_consent_metric_ids('metrics', 'consent_metrics') }}

),

news as (

    select
        ---------- ids
        events.event_id as change_id,
        events.profile_id,
        profiles.external_id,
        events.message_id,
        events.form_id,

        ---------- texts
        consent_metric_ids.channel,
        consent_metric_ids.change,
        events.failure_type,
        events.list_name,
        {{ lf_address_digest('consent_metric_ids.channel', 'profiles') }} as address_digest,

        ---------- timestamps
        events.occurred_at,
        {{ lf_now() }} as recorded_at

    from events
    inner join consent_metric_ids on events.metric_id = consent_metric_ids.metric_id
    left join known on events.event_id = known.change_id
    left join profiles on events.profile_id = profiles.profile_id
    where
        known.change_id is null
        and {{ lf_since_consent_news(ref('stg_klaviyo__events'), ref('stg_klaviyo__metrics'), ref('consent_metrics'), lf_ledger('fct_consent_log')) }}

)

select * from news
