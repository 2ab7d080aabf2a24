with

consent_decided as (

    select * from {{ ref('int_consent_decided') }}

),

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

profile_keys as (

    select * from {{ ref('int_profile_keys') }}

),

published as (

    select *
    from {{ lf_ledger('fct_consent_published') }}
    where
        action = 'suppress'
        and published_at < {{ lf_now() }}
        and published_at > {{ lf_dateadd('day', -1, lf_now()) }}

),

-- What Klaviyo does not show yet is asked for once a day, of whom it has however long ago it was stated. Nothing is ever lifted: by whom it was made is not told.
due as (

    select
        consent_decided.block_ref as statement_ref,
        consent_decided.identifier as email

    from consent_decided
    left join pushed_contacts on consent_decided.block_ref = pushed_contacts.statement_ref
    left join profile_keys on 'email:' || consent_decided.identifier = profile_keys.contact_key
    left join published on consent_decided.block_ref = published.statement_ref
    where
        consent_decided.channel = 'email'
        and consent_decided.block_ref is not null
        and not consent_decided.is_blocked_by_klaviyo
        and published.statement_ref is null
        and (pushed_contacts.statement_ref is not null or profile_keys.profile_id is not null)

)

select * from due
