with

event_attributed as (

    select * from {{ ref('fivetran_event_attributed') }}

),

-- A column for attribution, be it empty, would make the package leave its own out.
event as (

    select
        ---------- ids
        id,
        uuid,
        metric_id,
        person_id,
        campaign_id,
        flow_id,
        flow_message_id,
        _variation,

        ---------- texts
        type,
        property_value,

        ---------- booleans
        _fivetran_deleted,

        ---------- timestamps
        timestamp,
        datetime,
        _fivetran_synced

    from event_attributed

)

select * from event
