with

consent_log as (

    select * from {{ ref('fct_consent_log') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

add_addresses as (

    select
        ---------- ids
        consent_log.change_id,
        consent_log.profile_id,
        coalesce(profiles.external_id, consent_log.external_id) as external_id,
        profiles.email,
        profiles.phone_number,
        consent_log.message_id,
        consent_log.form_id,

        ---------- texts
        consent_log.channel,
        consent_log.change,
        consent_log.failure_type,
        consent_log.list_name,

        ---------- timestamps
        consent_log.occurred_at,
        consent_log.recorded_at

    from consent_log
    left join profiles on consent_log.profile_id = profiles.profile_id

)

select * from add_addresses
