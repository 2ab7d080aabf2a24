{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key='occurred_on',
        partition_by=lf_replace_partition(['occurred_on']),
        on_schema_change='fail',
    )
}}

with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

roles as (

    select * from {{ ref('int_metric_roles') }}

),

{% if is_incremental() -%}
-- Days on which another number of events of some role is there than was classified: new ones, late ones, and those of a metric whose role changed.
count_landed as (

    select
        cast(events.occurred_at as date) as occurred_on,
        roles.role,
        count(*) as events

    from events
    inner join roles on events.metric_id = roles.metric_id
    group by cast(events.occurred_at as date), roles.role

),

count_classified as (

    select
        occurred_on,
        role,
        count(*) as events

    from {{ this }}
    group by occurred_on, role

),

days_to_classify as (

    select distinct coalesce(count_landed.occurred_on, count_classified.occurred_on) as occurred_on
    from count_landed
    full outer join count_classified
        on
            count_landed.occurred_on = count_classified.occurred_on
            and count_landed.role = count_classified.role
    where coalesce(count_landed.events, 0) <> coalesce(count_classified.events, 0)

),

{% endif -%}

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

        ---------- dates
        cast(events.occurred_at as date) as occurred_on,

        ---------- timestamps
        events.occurred_at

    from events
    inner join roles on events.metric_id = roles.metric_id
    {% if is_incremental() -%}
    where cast(events.occurred_at as date) in (select days_to_classify.occurred_on from days_to_classify)
    {%- endif %}

)

select * from classify
