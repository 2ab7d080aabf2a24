with

by_message as (

    select * from {{ ref('int_engagement_by_message') }}

),

flows as (

    select * from {{ ref('stg_klaviyo__flows') }}

),

flow_daily as (

    select
        ---------- ids
        by_message.flow_id,
        by_message.message_id,

        ---------- texts
        flows.flow_name,
        flows.status as flow_status,
        by_message.currency,

        ---------- numerics
        by_message.sent,
        by_message.received,
        by_message.bounced,
        by_message.opened,
        by_message.opened_by_any,
        by_message.clicked,
        by_message.clicked_by_any,
        by_message.unsubscribed,
        by_message.complained,
        by_message.orders,
        by_message.revenue,
        by_message.klaviyo_orders,
        by_message.klaviyo_revenue,

        ---------- dates
        by_message.occurred_on

    from by_message
    left join flows on by_message.flow_id = flows.flow_id
    where by_message.flow_id is not null

)

select * from flow_daily
