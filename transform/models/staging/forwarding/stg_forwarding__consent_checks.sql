with

source as (

    select * from {{ lf_source('forwarding', 'forwarding_consent_checks') }}

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
        scheme,
        root,
        key_1,
        key_2,
        key_3,
        key_4,
        denied,

        ---------- documents
        {{ lf_json_array('needed') }} as needed,

        ---------- numerics
        cast(check_number as integer) as check_number,
        cast(vendor as integer) as vendor,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
