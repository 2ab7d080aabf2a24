with

source as (

    select * from {{ lf_source('inbox', 'consent_statements') }}

),

renamed as (

    select
        ---------- ids
        statement_id,
        profile_id,
        external_id,
        list_id,

        ---------- texts
        email,
        phone_number,
        channel,
        consent,
        source,
        method,

        ---------- documents
        proof,
        contact,
        properties,

        ---------- timestamps
        stated_at,
        received_at

    from source

)

select * from renamed
