with

engagement as (

    select * from {{ ref('int_engagement_days') }}

),

campaign_messages as (

    select * from {{ ref('stg_klaviyo__campaign_messages') }}

),

campaigns as (

    select * from {{ ref('int_campaigns') }}

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

campaign_daily as (

    select
        ---------- ids
        coalesce(campaign_messages.campaign_id, engagement.message_id) as campaign_id,
        engagement.message_id,

        ---------- texts
        campaigns.campaign_name,
        campaign_messages.message_label,
        coalesce(campaign_messages.channel, campaigns.channel) as channel,
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
    left join campaign_messages on engagement.message_id = campaign_messages.message_id
    left join campaigns on coalesce(campaign_messages.campaign_id, engagement.message_id) = campaigns.campaign_id
    left join credited_days on engagement.occurred_on = credited_days.occurred_on
    where message_flows.flow_id is null

)

select * from campaign_daily
