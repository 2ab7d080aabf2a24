with

engagement as (

    select * from {{ ref('int_engagement_days') }}

),

flows as (

    select * from {{ ref('stg_klaviyo__flows') }}

),

days_counted as (

    select * from {{ ref('int_days_counted') }}

),

message_flows as (

    select
        message_id,
        max(flow_id) as flow_id

    from engagement
    group by message_id

),

credited_days as (

    select occurred_on
    from days_counted
    where counted = '(credited)'

),

flow_daily as (

    select
        ---------- ids
        message_flows.flow_id,
        engagement.message_id,

        ---------- texts
        flows.flow_name,
        flows.status as flow_status,
        engagement.currency,

        ---------- numerics
        engagement.sent,
        engagement.received,
        engagement.bounced,
        engagement.opened,
        engagement.opened_by_any,
        engagement.clicked,
        engagement.clicked_by_any,
        engagement.unsubscribed,
        engagement.complained,
        engagement.orders,
        engagement.revenue,
        case when credited_days.occurred_on is not null then engagement.klaviyo_orders end as klaviyo_orders,
        case when credited_days.occurred_on is not null then engagement.klaviyo_revenue end as klaviyo_revenue,

        ---------- dates
        engagement.occurred_on

    from engagement
    inner join message_flows on engagement.message_id = message_flows.message_id
    left join flows on message_flows.flow_id = flows.flow_id
    left join credited_days on engagement.occurred_on = credited_days.occurred_on
    where message_flows.flow_id is not null

)

select * from flow_daily
