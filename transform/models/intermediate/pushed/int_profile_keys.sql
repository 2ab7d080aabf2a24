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

-- Of whom Klaviyo has merged one is left; of those that it has deleted none.
grouped as (

    select
        keys.contact_key,
        min(case when profiles_gone.profile_id is null then keys.profile_id end) as profile_id

    from keys
    left join profiles_gone on keys.profile_id = profiles_gone.profile_id
    group by keys.contact_key

)

select * from grouped
