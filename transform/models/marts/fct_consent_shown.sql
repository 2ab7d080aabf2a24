{{ config(materialized='append_only') }}

with

consent_held as (

    select * from {{ ref('int_consent_held') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

written_down as (

    select *
    from {{ lf_ledger('fct_consent_shown') }}

),

news as (

    select
        ---------- ids
        consent_held.profile_id,
        profiles.external_id,
        consent_held.list_id,
        consent_held.form_id,

        ---------- texts
        consent_held.channel,
        consent_held.said,
        consent_held.block,
        consent_held.method,
        consent_held.source,
        consent_held.form_version,
        {{ lf_address_digest('consent_held.channel', 'profiles') }} as address_digest,

        ---------- timestamps
        consent_held.stated_at,
        {{ lf_now() }} as recorded_at

    from consent_held
    left join profiles on consent_held.profile_id = profiles.profile_id
    left join written_down
        on
            consent_held.profile_id = written_down.profile_id
            and {{ lf_consent_ref('consent_held') }} = {{ lf_consent_ref('written_down') }}
            and consent_held.said = written_down.said
    where written_down.profile_id is null

)

select * from news
