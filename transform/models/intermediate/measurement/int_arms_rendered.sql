{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true}) }}
{%- set changes = lf_changes(['int_experiment_messages'], [
    'select experiment_key, experiment_version, message_id from ' ~ ref('int_experiment_messages'),
    'select experiment_key, experiment_version, slot_key, arm_key, is_control, status from ' ~ ref('int_experiment_arms'),
    'select * from ' ~ ref('event_roles'),
]) %}

with

events as (

    select * from {{ ref('int_events_classified') }}

),

messages as (

    select * from {{ ref('int_experiment_messages') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

controls as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key
    from arms
    where is_control

),

-- `fb` is the else branch of the template, which shows the control's content.
clicks as (

    select
        controls.experiment_key,
        controls.experiment_version,
        controls.slot_key,
        events.profile_id,
        case when events.cid_arm_key = 'fb' then controls.arm_key else events.cid_arm_key end as rendered_arm_key

    from events
    inner join messages
        on
            events.message_id = messages.message_id
            and events.cid_experiment_key = messages.experiment_key
    inner join controls
        on
            messages.experiment_key = controls.experiment_key
            and messages.experiment_version = controls.experiment_version
            and events.cid_slot_key = controls.slot_key
    inner join event_roles on events.role = event_roles.role
    where
        event_roles.shows_link
        and events.is_human
        {{ lf_is_changed(changes, 'events.profile_id') }}
        {{ lf_is_not_over(changes, 'messages.experiment_key') }}
        {{ lf_since_messages(ref('int_experiment_messages'), 'events.occurred_at', changes) }}

),

compare as (

    select
        ---------- ids
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.profile_id,

        ---------- booleans
        max(case when clicks.rendered_arm_key <> assignments.arm_key then 1 else 0 end) = 1 as is_crossover

    from assignments
    inner join clicks
        on
            assignments.experiment_key = clicks.experiment_key
            and assignments.experiment_version = clicks.experiment_version
            and assignments.slot_key = clicks.slot_key
            and assignments.profile_id = clicks.profile_id
    group by
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.profile_id

)

select * from compare
