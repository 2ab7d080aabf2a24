with

consent_statements as (

    select * from {{ ref('int_consent_statements') }}

),

told as (

    select
        ---------- ids
        identifier_kind,
        identifier,
        profile_id,
        statement_ref,
        list_id,
        form_id,

        ---------- texts
        channel,
        origin,
        said,
        block,
        stated_by,
        source,
        method,
        form_version,
        address,

        ---------- documents
        proof,

        ---------- timestamps
        stated_at

    from consent_statements

)

select * from told
