with

engagement as (

    select * from {{ ref('int_engagement_days') }}

),

days_counted as (

    select * from {{ ref('int_days_counted') }}

),

-- A day with orders alone names no flow.
flows as (

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

by_message as (

    select
        ---------- ids
        engagement.message_id,
        flows.flow_id,

        ---------- texts
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
    inner join flows on engagement.message_id = flows.message_id
    left join credited_days on engagement.occurred_on = credited_days.occurred_on

)

select * from by_message
