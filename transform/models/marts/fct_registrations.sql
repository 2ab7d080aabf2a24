with

consent_statements as (

    select * from {{ ref('stg_inbox__consent_statements') }}

),

profile_keys as (

    select * from {{ ref('int_profile_keys') }}

),

named as (

    select
        substr(statement_id, 1, length(statement_id) - length(channel) - 1) as request_id,
        {{ lf_contact_key(
            lf_email_address('email'), lf_phone_number('phone_number'), "nullif(trim(external_id), '')", 'profile_id'
        ) }} as contact_key,
        stated_at,
        received_at
    from consent_statements

),

found as (

    select
        named.request_id,
        min(profile_keys.profile_id) as profile_id,
        min(named.stated_at) as stated_at,
        min(named.received_at) as received_at

    from named
    left join profile_keys on named.contact_key = profile_keys.contact_key
    group by named.request_id

)

select * from found
