with

consent_due as (

    select * from {{ ref('int_consent_due') }}

),

subscriptions as (

    select
        channel,
        consent,
        email,
        phone_number,
        profile_id,
        list_id,
        historical_import,
        consented_at,
        custom_source
    from consent_due
    where waits_for is null

)

select * from subscriptions
