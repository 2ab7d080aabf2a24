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
        ---------- ids
        events.event_id as change_id,
        events.profile_id,
        events.message_id,
        events.form_id,

        ---------- texts
        find_metrics.channel,
        find_metrics.change,
        events.failure_type,
        events.list_name,

        ---------- timestamps
        events.occurred_at

    from events
    inner join find_metrics on events.metric_id = find_metrics.metric_id
    left join known on events.event_id = known.change_id
    where known.change_id is null

)

select * from keep_unknown
