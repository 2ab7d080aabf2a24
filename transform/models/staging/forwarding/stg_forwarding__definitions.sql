with

source as (

    select * from {{ lf_source('forwarding', 'forwarding_definitions') }}

),

-- The loader deletes nothing: what the last complete reading of the folder did not touch is no longer there.
last_reading as (

    select max(defined_at) as defined_at from {{ lf_source('forwarding', 'forwarding_snapshots') }}

),

renamed as (

    select
        ---------- ids
        definition_key,

        ---------- texts
        status,
        description,
        source_table,
        source_event,
        source_type,
        layout,
        consent_missing,
        older,
        definition_sha256,

        ---------- documents
        {{ lf_json_array('relation') }} as relation,
        columns,
        {{ lf_json_array('property_columns') }} as property_columns,
        {{ lf_json_array('bot_words') }} as bot_words,
        {{ lf_json_array('bot_networks') }} as bot_networks,

        ---------- numerics
        cast(stitch_days as integer) as stitch_days,
        cast(bot_per_minute as integer) as bot_per_minute,
        cast(max_age_hours as integer) as max_age_hours,

        ---------- booleans
        asks_no_consent,
        keeps_bots,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
