{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true}) }}
{%- set changes = lf_changes(['int_experiment_messages'], [
    'select experiment_key, experiment_version, message_id from ' ~ ref('int_experiment_messages'),
    'select experiment_key, experiment_version, status from ' ~ ref('stg_experiments__experiments'),
    'select * from ' ~ ref('event_roles'),
]) %}

with

events as (

    select * from {{ ref('int_events_classified') }}

),

messages as (

    select * from {{ ref('int_experiment_messages') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

-- Whoever opened, clicked or complained has received, also where the receipt itself was not loaded.
receipts as (

    select
        ---------- ids
        messages.experiment_key,
        messages.experiment_version,
        events.profile_id,

        ---------- booleans
        max(case when events.role = 'opened' and events.is_human then 1 else 0 end) = 1 as has_opened,

        ---------- timestamps
        coalesce(
            min(case when events.role = 'received' then events.occurred_at end),
            min(events.occurred_at)
        ) as received_at,
        min(case
            when event_roles.shows_link and events.is_human and events.cid_experiment_key = messages.experiment_key
                then events.occurred_at
        end) as token_clicked_at

    from events
    inner join messages on events.message_id = messages.message_id
    -- Only the current version's definition is known, and with it its arms, window and primary metric.
    inner join experiments
        on
            messages.experiment_key = experiments.experiment_key
            and messages.experiment_version = experiments.experiment_version
    inner join event_roles on events.role = event_roles.role
    where
        event_roles.implies_receipt
        and events.profile_id is not null
        {{ lf_is_changed(changes, 'events.profile_id') }}
        {{ lf_is_not_over(changes, 'messages.experiment_key') }}
        {{ lf_since_messages(ref('int_experiment_messages'), 'events.occurred_at', changes) }}
    group by
        messages.experiment_key,
        messages.experiment_version,
        events.profile_id

)

select * from receipts
