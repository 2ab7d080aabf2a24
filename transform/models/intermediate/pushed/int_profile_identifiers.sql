with

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

profiles_gone as (

    select * from {{ ref('int_profiles_gone') }}

),

keys as (

    select
        profile_id,
        'email:' || lower(trim(email)) as contact_key
    from profiles
    where email is not null

    union all

    select
        profile_id,
        'phone_number:' || phone_number as contact_key
    from profiles
    where phone_number is not null

    union all

    select
        profile_id,
        'external_id:' || external_id as contact_key
    from profiles
    where external_id is not null

    union all

    select
        profile_id,
        'id:' || profile_id as contact_key
    from profiles

),

identifiers as (

    select
        keys.contact_key,
        keys.profile_id,
        profiles_gone.profile_id is not null as is_gone

    from keys
    left join profiles_gone on keys.profile_id = profiles_gone.profile_id

)

select * from identifiers
