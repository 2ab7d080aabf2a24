{{ config(materialized='append_only') }}

with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

consent_metrics as (

    select * from {{ ref('consent_metrics') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

known as (

    select change_id
    from {{ lf_ledger('fct_consent_log') }}

),

find_metrics as (

    select
        metrics.metric_id,
        consent_metrics.channel,
        consent_metrics.change

    from metrics
    inner join consent_metrics on lower(metrics.metric_name) = lower(consent_metrics.metric_name)
    where metrics.integration_key = 'klaviyo'

),

keep_unknown as (

    select
        events.*,
        find_metrics.channel,
        find_metrics.change

    from events
    inner join find_metrics on events.metric_id = find_metrics.metric_id
    left join known on events.event_id = known.change_id
    where known.change_id is null

),

name_people as (

    select
        ---------- ids
        keep_unknown.event_id as change_id,
        keep_unknown.profile_id,
        profiles.external_id,
        keep_unknown.message_id,
        keep_unknown.form_id,

        ---------- texts
        keep_unknown.channel,
        keep_unknown.change,
        keep_unknown.failure_type,
        keep_unknown.list_name,

        ---------- timestamps
        keep_unknown.occurred_at,
        {{ lf_now() }} as recorded_at

    from keep_unknown
    left join profiles on keep_unknown.profile_id = profiles.profile_id

)

select * from name_people
