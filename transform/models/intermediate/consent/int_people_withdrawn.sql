with

consent_decided as (

    select * from {{ ref('int_consent_decided') }}

),

profile_identifiers as (

    select * from {{ ref('int_profile_identifiers') }}

),

withdrawn as (

    select distinct identifier_kind || ':' || identifier as contact_key
    from consent_decided
    where
        said = 'withdrawn'
        and channel in ({{ lf_consent_channel_names(with_lists_only=true) }})

),

profile_keys as (

    {{ lf_profile_keys('select withdrawn.contact_key from withdrawn') }}

),

find_profiles as (

    select
        withdrawn.contact_key,
        profile_keys.profile_id

    from withdrawn
    left join profile_keys on withdrawn.contact_key = profile_keys.contact_key

)

select * from find_profiles
