with

source as (

    select * from {{ lf_source('inbox', 'privacy_requests') }}

),

renamed as (

    select
        ---------- ids
        request_id,
        profile_id,
        external_id,

        ---------- texts
        kind,
        email,
        phone_number,
        jurisdiction,

        ---------- documents
        scope,

        ---------- timestamps
        verified_at,
        received_at

    from source

)

select * from renamed
