with

consent_decided as (

    select * from {{ ref('int_consent_decided') }}

),

told as (

    select
        ---------- ids
        identifier_kind,
        identifier,
        profile_id,
        statement_ref,
        form_id,

        ---------- texts
        channel,
        state,
        rule,
        origin,
        stated_by,
        source,
        method,
        form_version,
        address,

        ---------- booleans
        may_be_written_to,

        ---------- documents
        proof,

        ---------- timestamps
        stated_at as since

    from consent_decided

)

select * from told
