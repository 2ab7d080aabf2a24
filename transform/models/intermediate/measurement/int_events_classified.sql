with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

roles as (

    select * from {{ ref('int_metric_roles') }}

),

classify as (

    select
        ---------- ids
        events.event_id,
        events.profile_id,
        events.message_id,

        ---------- texts
        roles.role,
        {{ lf_split_part('events.cid', '.', 1) }} as cid_experiment_key,
        {{ lf_split_part('events.cid', '.', 2) }} as cid_slot_key,
        {{ lf_split_part('events.cid', '.', 3) }} as cid_arm_key,

        ---------- numerics
        events.value,

        ---------- booleans
        not (
            (roles.role = 'opened' and events.is_machine_open)
            or (roles.role = 'clicked' and events.is_bot_click)
        ) as is_human,

        ---------- timestamps
        events.occurred_at

    from events
    inner join roles on events.metric_id = roles.metric_id

)

select * from classify
