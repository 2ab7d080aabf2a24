with

source as (

    select * from {{ lf_source('forwarding', 'forwarding_values') }}

),

-- The loader deletes nothing: what the last complete reading of the folder did not touch is no longer there.
last_reading as (

    select max(defined_at) as defined_at from {{ lf_source('forwarding', 'forwarding_snapshots') }}

),

renamed as (

    select
        ---------- ids
        definition_key,
        use as value_use,
        parent,
        name,

        ---------- texts
        root,
        key_1,
        key_2,
        key_3,
        key_4,
        times_root,
        times_key_1,
        times_key_2,
        times_key_3,
        times_key_4,
        constant,
        value_type,
        personal,

        ---------- numerics
        cast(rule as integer) as rule,
        cast(part as integer) as part,
        cast(alternative as integer) as alternative,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
