with

source as (

    select * from {{ lf_source('forwarding', 'forwarding_rules') }}

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
        event,
        type,
        metric,
        per_root,
        per_key_1,
        per_key_2,
        per_key_3,
        per_key_4,
        preset,

        ---------- documents
        {{ lf_json_array('without') }} as without,

        ---------- numerics
        cast(rule as integer) as rule,

        ---------- booleans
        keeps_all,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
