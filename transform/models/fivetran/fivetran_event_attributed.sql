with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

metric_names as (

    select * from {{ ref('fivetran_metric_names') }}

),

campaign_messages as (

    select * from {{ ref('stg_klaviyo__campaign_messages') }}

),

name_metrics as (

    select
        metrics.metric_id,
        coalesce(metric_names.fivetran_name, metrics.metric_name) as type

    from metrics
    left join metric_names
        on
            metrics.integration_key = 'klaviyo'
            and lower(metrics.metric_name) = lower(metric_names.metric_name)

),

-- In older events the message is the campaign.
event_attributed as (

    select
        ---------- ids
        events.event_id as id,
        events.uuid,
        events.metric_id,
        events.profile_id as person_id,
        case
            when events.flow_id is null then coalesce(campaign_messages.campaign_id, events.message_id)
        end as campaign_id,
        events.flow_id,
        case when events.flow_id is not null then events.message_id end as flow_message_id,
        events.variation_id as _variation,

        ---------- texts
        name_metrics.type,
        {{ lf_text(lf_decimal('events.value', 4)) }} as property_value,
        '{"relationships": {"attributed-event": {"data": {"type": "event", "id": "'
        || {{ lf_json_first_text('events.attributions', 'attributed_event_id') }}
        || '"}}}}' as property_attribution,

        ---------- booleans
        false as _fivetran_deleted,

        ---------- timestamps
        events.occurred_at as timestamp,
        events.occurred_at as datetime,
        coalesce(events.landed_at, events.occurred_at) as _fivetran_synced

    from events
    left join name_metrics on events.metric_id = name_metrics.metric_id
    left join campaign_messages on events.message_id = campaign_messages.message_id

)

select * from event_attributed
