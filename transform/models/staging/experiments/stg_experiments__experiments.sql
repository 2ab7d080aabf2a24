with

source as (

    select * from {{ source('experiments', 'experiments') }}

),

-- The loader deletes nothing: what the last complete reading of the folder did not touch is no longer defined.
last_reading as (

    select max(defined_at) as defined_at from {{ source('experiments', 'definition_snapshots') }}

),

renamed as (

    select
        ---------- ids
        experiment_key,
        cast(version as integer) as experiment_version,

        ---------- texts
        status,
        description,
        channel,
        audience_type,
        audience,
        primary_metric,
        property_format,
        template_name,
        definition_sha256,

        ---------- numerics
        cast(traffic_bp as integer) as traffic_bp,
        cast(attribution_window_days as integer) as attribution_window_days,

        ---------- objects
        campaign_message_ids,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
