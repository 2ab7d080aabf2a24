with

deletion_requests as (

    select * from {{ ref('int_deletion_requests') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

profiles_gone as (

    select * from {{ ref('int_profiles_gone') }}

),

requests as (

    select * from deletion_requests
    where
        identity_verified_at is not null
        and is_scope_known
        and not is_ended

),

matched as (

    select
        requests.request_id,
        profiles.profile_id,
        'profile_id' as identifier_kind

    from requests
    inner join profiles on requests.profile_id = profiles.profile_id

    union all

    select
        requests.request_id,
        profiles.profile_id,
        'external_id' as identifier_kind

    from requests
    inner join profiles on requests.external_id = profiles.external_id

    union all

    select
        requests.request_id,
        profiles.profile_id,
        'email' as identifier_kind

    from requests
    inner join profiles on lower(requests.email) = lower(trim(profiles.email))

    union all

    select
        requests.request_id,
        profiles.profile_id,
        'phone_number' as identifier_kind

    from requests
    inner join profiles on requests.phone_number = profiles.phone_number

),

grouped as (

    select
        request_id,
        profile_id,
        max(case when identifier_kind = 'external_id' then 1 else 0 end) as is_by_external_id,
        max(case when identifier_kind <> 'phone_number' then 1 else 0 end) as is_by_more_than_number
    from matched
    group by request_id, profile_id

),

-- A number may be a household's: whose it is, what else the profile is known by decides.
found as (

    select
        ---------- ids
        grouped.request_id,
        grouped.profile_id,

        ---------- texts
        profiles.email,
        profiles.phone_number,

        ---------- booleans
        grouped.is_by_external_id = 1 as is_by_external_id,
        grouped.is_by_more_than_number = 0
        and coalesce(requests.profile_id, requests.external_id, requests.email) is not null
        and coalesce(profiles.email, profiles.external_id) is not null as is_of_others

    from grouped
    inner join requests on grouped.request_id = requests.request_id
    inner join profiles on grouped.profile_id = profiles.profile_id
    left join profiles_gone on grouped.profile_id = profiles_gone.profile_id
    where profiles_gone.profile_id is null

)

select * from found
