with

by_message as (

    select * from {{ ref('int_engagement_by_message') }}

),

campaign_messages as (

    select * from {{ ref('stg_klaviyo__campaign_messages') }}

),

campaigns as (

    select * from {{ ref('int_campaigns') }}

),

campaign_daily as (

    select
        ---------- ids
        coalesce(campaign_messages.campaign_id, by_message.message_id) as campaign_id,
        by_message.message_id,

        ---------- texts
        campaigns.campaign_name,
        campaign_messages.message_label,
        coalesce(campaign_messages.channel, campaigns.channel) as channel,
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
    left join campaign_messages on by_message.message_id = campaign_messages.message_id
    left join campaigns on coalesce(campaign_messages.campaign_id, by_message.message_id) = campaigns.campaign_id
    where by_message.flow_id is null

)

select * from campaign_daily
