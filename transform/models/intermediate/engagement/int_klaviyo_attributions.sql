with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

attributed as (

    select
        event_id,
        attributions
    from events
    where
        attributions is not null
        and {{ lf_json_serialized('attributions') }} <> '[]'

),

attributions as (

    {{ lf_json_elements('attributed', 'event_id', 'attributions', 'attribution') }}

),

find_messages as (

    select
        event_id,
        coalesce(
            {{ lf_json_text('attribution', 'campaign_message_id') }},
            {{ lf_json_text('attribution', 'flow_message_id') }}
        ) as message_id

    from attributions

),

-- Two attributions of one event may be of one message.
attributed_messages as (

    select distinct
        event_id,
        message_id
    from find_messages
    where message_id is not null

)

select * from attributed_messages
