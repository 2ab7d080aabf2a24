{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key='occurred_on',
        partition_by=lf_replace_partition(['occurred_on']),
        on_schema_change='fail',
        meta={'is_made_by_its_run': true},
    )
}}
{%- set days = lf_days_to_classify(ref('stg_klaviyo__events'), ref('int_metric_roles'), this) if is_incremental() else none %}

with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

roles as (

    select * from {{ ref('int_metric_roles') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

counted_roles as (

    {{ lf_counted_roles('outcome_metrics') }}

),

money_roles as (

    select distinct role
    from counted_roles
    where unit = 'currency'

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
        case when money_roles.role is not null then events.currency end as currency,

        ---------- numerics
        events.value,

        ---------- booleans
        {{ lf_is_human('events', 'event_roles') }} as is_human,

        ---------- dates
        cast(events.occurred_at as date) as occurred_on,

        ---------- timestamps
        events.occurred_at

    from events
    inner join roles on events.metric_id = roles.metric_id
    left join event_roles on roles.role = event_roles.role
    left join money_roles on roles.role = money_roles.role
    {% if days is not none -%}
    -- A day is classified anew as a whole. The range goes before the list, because DuckDB reads the documents of all events to apply a list.
    where
        {%- if days %}
        events.occurred_at >= cast('{{ days | min }}' as {{ lf_type('timestamp') }})
        and events.occurred_at < {{ lf_dateadd('day', 1, "cast('" ~ days | max ~ "' as " ~ lf_type('timestamp') ~ ")") }}
        and cast(events.occurred_at as date) in (
            {%- for day in days %}cast('{{ day }}' as date){{ ', ' if not loop.last }}{% endfor -%}
        )
        {%- else %}
        1 = 0
        {%- endif %}
    {%- endif %}

)

select * from classify
