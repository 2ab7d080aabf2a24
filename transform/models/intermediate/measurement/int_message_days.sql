{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true, 'changed_by': 'occurred_on'}) }}
{%- set changes = lf_changes(['int_events_classified'], [
    'select * from ' ~ ref('event_roles'),
], by_experiment=false) %}

with

events as (

    select * from {{ ref('int_events_classified') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

-- A bot's click shows the link as well as a person's does.
message_days as (

    select
        ---------- ids
        events.message_id,
        coalesce(case when event_roles.shows_link then events.cid_experiment_key end, '') as linked_experiment_key,

        ---------- dates
        events.occurred_on,

        ---------- timestamps
        min(events.occurred_at) as first_seen_at

    from events
    left join event_roles on events.role = event_roles.role
    where
        events.message_id is not null
        {{ lf_is_changed(changes, 'events.occurred_on', key='occurred_on') }}
    group by
        events.message_id,
        coalesce(case when event_roles.shows_link then events.cid_experiment_key end, ''),
        events.occurred_on

)

select * from message_days
