{{
    config(
        materialized='by_days' if lf_keeps_changes() else 'incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key='occurred_on',
        partition_by=lf_replace_partition(['occurred_on']),
        on_schema_change='fail',
        meta={'is_made_by_its_run': true},
        pre_hook="{{ lf_after(ref('int_changes')) }}",
    )
}}

{%- set properties = lf_event_properties('events.event_properties') %}

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

-- Roles with a value: their events name an order and, where it is money, a currency.
valued_roles as (

    select
        role,
        max(case when unit = 'currency' then 1 else 0 end) = 1 as is_money

    from counted_roles
    where aggregation = 'value'
    group by role

),

classify as {{ lf_materialized() }} (

    select
        events.event_id,
        events.profile_id,
        events.message_id,
        events.metric_id,
        case when valued_roles.role is not null then {{ properties.order_id }} end as order_id,
        roles.role,
        {{ lf_split_part('events.cid', '.', 1) }} as cid_experiment_key,
        {{ lf_split_part('events.cid', '.', 2) }} as cid_slot_key,
        {{ lf_split_part('events.cid', '.', 3) }} as cid_arm_key,
        case when valued_roles.is_money then {{ properties.currency }} end as currency,
        -- What stands after the path may be the profile's own; lf_cid tells the slots apart.
        case
            when event_roles.machine_flag = 'bot_click'
                then coalesce({{ lf_split_part(lf_split_part(properties.url, '?', 1), '#', 1) }}, '') || ' ' || coalesce(events.cid, '')
        end as link,
        events.value,
        {{ lf_is_unflagged('event_roles', properties.is_machine_open, properties.is_bot_click) }} as is_unflagged,
        cast(events.occurred_at as date) as occurred_on,
        events.occurred_at

    from events
    inner join roles on events.metric_id = roles.metric_id
    left join event_roles on roles.role = event_roles.role
    left join valued_roles on roles.role = valued_roles.role
    -- A day is classified anew as a whole.
    where {{ lf_days_filter(ref('stg_klaviyo__events'), ref('int_metric_roles'), this) }}

),

clicks as {{ lf_materialized() }} (

    select
        event_id,
        profile_id,
        message_id,
        link,
        occurred_on,
        occurred_at

    from classify
    where
        link is not null
        and is_unflagged
        and profile_id is not null
        and message_id is not null

),

receipts as (

    select
        profile_id,
        message_id,
        occurred_on,
        occurred_at
    from classify
    where role = 'received'

),

-- Sooner than a message gets from a server to somebody who reads it. All is compared inside one day, which is classified as a whole.
soon as (

    select distinct clicks.event_id

    from clicks
    inner join receipts
        on
            clicks.profile_id = receipts.profile_id
            and clicks.message_id = receipts.message_id
            and clicks.occurred_on = receipts.occurred_on
            and clicks.occurred_at >= {{ lf_dateadd('second', -1 * lf_variable('suspect_click_seconds'), 'receipts.occurred_at') }}
            and clicks.occurred_at <= {{ lf_dateadd('second', lf_variable('suspect_click_seconds'), 'receipts.occurred_at') }}
    {%- if lf_variable('suspect_click_seconds') <= 0 %}
    where 1 = 0
    {%- endif %}

),

links as (

    select
        message_id,
        occurred_on,
        count(distinct link) as links

    from clicks
    group by message_id, occurred_on

),

-- Of each click, the links that the same profile clicked in the seconds around it.
around as (

    select
        clicks.event_id,
        min(clicks.profile_id) as profile_id,
        min(clicks.message_id) as message_id,
        min(clicks.occurred_on) as occurred_on,
        min(clicks.occurred_at) as occurred_at,
        count(distinct others.link) as links

    from clicks
    inner join clicks as others
        on
            clicks.profile_id = others.profile_id
            and clicks.message_id = others.message_id
            and clicks.occurred_on = others.occurred_on
            and others.occurred_at >= {{ lf_dateadd('second', -1 * lf_variable('suspect_burst_seconds'), 'clicks.occurred_at') }}
            and others.occurred_at <= {{ lf_dateadd('second', lf_variable('suspect_burst_seconds'), 'clicks.occurred_at') }}
    group by clicks.event_id

),

bursts as (

    select
        around.*,
        around.links = links.links as has_every_link

    from around
    inner join links
        on
            around.message_id = links.message_id
            and around.occurred_on = links.occurred_on
    where around.links >= {{ lf_variable('suspect_burst_links') }}

),

opens as (

    select
        profile_id,
        message_id,
        occurred_on,
        occurred_at
    from classify
    where
        role = 'opened'
        and is_unflagged

),

-- Many links within seconds, and either all that the message has, or nobody who had opened it.
swept as (

    select bursts.event_id

    from bursts
    left join opens
        on
            bursts.profile_id = opens.profile_id
            and bursts.message_id = opens.message_id
            and bursts.occurred_on = opens.occurred_on
            and bursts.occurred_at >= opens.occurred_at
    group by bursts.event_id
    having
        count(opens.occurred_at) = 0
        or max(case when bursts.has_every_link then 1 else 0 end) = 1

),

found as (

    select event_id from soon

    union all

    select event_id from swept

),

suspected as (

    select distinct event_id from found

),

classified as (

    select
        ---------- ids
        classify.event_id,
        classify.profile_id,
        classify.message_id,
        classify.metric_id,
        classify.order_id,

        ---------- texts
        classify.role,
        classify.cid_experiment_key,
        classify.cid_slot_key,
        classify.cid_arm_key,
        classify.currency,

        ---------- numerics
        classify.value,

        ---------- booleans
        classify.is_unflagged and suspected.event_id is null as is_human,
        suspected.event_id is not null as is_suspected_bot,

        ---------- dates
        classify.occurred_on,

        ---------- timestamps
        classify.occurred_at

    from classify
    left join suspected on classify.event_id = suspected.event_id

)

select * from classified
