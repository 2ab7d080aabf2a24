{%- set of_people = ['sent', 'received', 'bounced', 'opened', 'opened_by_any', 'clicked', 'clicked_by_any', 'unsubscribed', 'complained'] -%}
{%- set days = lf_days_of_engagement(ref('int_events_classified'), ref('stg_klaviyo__events')) -%}
{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key='occurred_on',
        partition_by=lf_replace_partition(['occurred_on']),
        on_schema_change='append_new_columns',
        meta={'is_made_by_its_run': true},
        pre_hook="{{ lf_forget_days(lf_carried('lf_engagement_days', sql)) }}",
    )
}}

{{ lf_carry('lf_engagement_days', days) }}

with

events as (

    select * from {{ ref('int_events_classified') }}

),

-- Each by a name of its own: DuckDB keeps a copy of what is read twice, here of all events.
ordering as (

    select * from {{ ref('int_events_classified') }}

),

touching as (

    select * from {{ ref('int_events_classified') }}

),

raw_events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

attributions as (

    select * from {{ ref('int_klaviyo_attributions') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

-- Who was deleted is nobody in particular: each event of theirs is of one person.
people as (

    select
        message_id,
        occurred_on,
        coalesce(profile_id, event_id) as person,
        min(event_id) as event_id,
        max(case when role in ('received', 'bounced', 'dropped') then 1 else 0 end) as is_sent,
        max(case when role = 'received' then 1 else 0 end) as is_received,
        max(case when role in ('bounced', 'dropped') then 1 else 0 end) as is_bounced,
        max(case when role = 'opened' and is_human then 1 else 0 end) as is_opened,
        max(case when role = 'opened' then 1 else 0 end) as is_opened_by_any,
        max(case when role = 'clicked' and is_human then 1 else 0 end) as is_clicked,
        max(case when role = 'clicked' then 1 else 0 end) as is_clicked_by_any,
        max(case when role = 'unsubscribed' then 1 else 0 end) as is_unsubscribed,
        max(case when role = 'marked_spam' then 1 else 0 end) as is_complained

    from events
    where
        message_id is not null
        {{ lf_and_on_days('occurred_on', days) }}
    group by message_id, occurred_on, coalesce(profile_id, event_id)

),

sum_people as (

    select
        message_id,
        occurred_on,
        min(event_id) as event_id,
        sum(is_sent) as sent,
        sum(is_received) as received,
        sum(is_bounced) as bounced,
        sum(is_opened) as opened,
        sum(is_opened_by_any) as opened_by_any,
        sum(is_clicked) as clicked,
        sum(is_clicked_by_any) as clicked_by_any,
        sum(is_unsubscribed) as unsubscribed,
        sum(is_complained) as complained

    from people
    group by message_id, occurred_on

),

-- All events of a message are of one flow, so one of each day is looked up.
flows as (

    select
        sum_people.message_id,
        sum_people.occurred_on,
        raw_events.flow_id

    from sum_people
    inner join raw_events on sum_people.event_id = raw_events.event_id
    where
        raw_events.flow_id is not null
        {{ lf_and_on_days('raw_events.occurred_at', days) }}

),

orders as (

    select
        event_id,
        profile_id,
        value,
        currency,
        occurred_on,
        occurred_at

    from ordering
    where
        role = 'ordered'
        {{ lf_and_on_days('occurred_on', days) }}

),

touches as (

    select
        touching.profile_id,
        touching.message_id,
        touching.occurred_at

    from touching
    inner join event_roles on touching.role = event_roles.role
    where
        event_roles.is_touch
        and touching.is_human
        and touching.message_id is not null
        {{ lf_and_on_days('touching.occurred_on', lf_days_around(days, lf_touch_days(), 0)) }}

),

rank_touches as (

    select
        orders.event_id,
        orders.value,
        orders.currency,
        orders.occurred_on,
        touches.message_id,
        row_number() over (
            partition by orders.event_id
            order by touches.occurred_at desc, touches.message_id
        ) as recency

    from orders
    inner join touches
        on
            orders.profile_id = touches.profile_id
            and touches.occurred_at <= orders.occurred_at
            and touches.occurred_at >= {{ lf_dateadd('day', -1 * lf_touch_days(), 'orders.occurred_at') }}

),

all_rows as (

    select
        message_id,
        occurred_on,
        sent,
        received,
        bounced,
        opened,
        opened_by_any,
        clicked,
        clicked_by_any,
        unsubscribed,
        complained,
        0 as orders,
        0e0 as revenue,
        0 as klaviyo_orders,
        0e0 as klaviyo_revenue,
        {{ lf_text('null') }} as currency

    from sum_people

    union all

    select
        message_id,
        occurred_on,
        {%- for column in of_people %}
        0 as {{ column }},
        {%- endfor %}
        1 as orders,
        coalesce(value, 0e0) as revenue,
        0 as klaviyo_orders,
        0e0 as klaviyo_revenue,
        currency

    from rank_touches
    where recency = 1

    union all

    select
        attributions.message_id,
        orders.occurred_on,
        {%- for column in of_people %}
        0 as {{ column }},
        {%- endfor %}
        0 as orders,
        0e0 as revenue,
        1 as klaviyo_orders,
        coalesce(orders.value, 0e0) as klaviyo_revenue,
        orders.currency

    from orders
    inner join attributions on orders.event_id = attributions.event_id

),

sum_rows as (

    select
        message_id,
        occurred_on,
        {%- for column in of_people + ['orders', 'klaviyo_orders'] %}
        cast(sum({{ column }}) as {{ lf_type('bigint') }}) as {{ column }},
        {%- endfor %}
        {{ lf_double('sum(revenue)') }} as revenue,
        {{ lf_double('sum(klaviyo_revenue)') }} as klaviyo_revenue,
        -- Of several currencies, none is named.
        case when min(currency) = max(currency) then min(currency) end as currency

    from all_rows
    group by message_id, occurred_on

),

engagement_days as (

    select
        ---------- ids
        sum_rows.message_id,
        flows.flow_id,

        ---------- texts
        sum_rows.currency,

        ---------- numerics
        sum_rows.sent,
        sum_rows.received,
        sum_rows.bounced,
        sum_rows.opened,
        sum_rows.opened_by_any,
        sum_rows.clicked,
        sum_rows.clicked_by_any,
        sum_rows.unsubscribed,
        sum_rows.complained,
        sum_rows.orders,
        sum_rows.revenue,
        sum_rows.klaviyo_orders,
        sum_rows.klaviyo_revenue,

        ---------- dates
        sum_rows.occurred_on

    from sum_rows
    left join flows
        on
            sum_rows.message_id = flows.message_id
            and sum_rows.occurred_on = flows.occurred_on

)

select * from engagement_days
