with

deletion_requests as (

    select * from {{ ref('int_deletion_requests') }}

),

deletion_profiles as (

    select * from {{ ref('int_deletion_profiles') }}

),

actions as (

    select * from {{ ref('stg_inbox__privacy_actions') }}

),

consent_decided as (

    select * from {{ ref('int_consent_decided') }}

),

requests as (

    select * from deletion_requests
    where
        not is_ended
        and (is_profile or not is_scope_known)

),

-- Klaviyo deletes by no id of yours, but by that of the profile that has it.
by_external_id as (

    select
        request_id,
        min(profile_id) as profile_id
    from deletion_profiles
    where is_by_external_id
    group by request_id

),

identified as (

    select
        request_id,
        'profile_id' as identifier_kind,
        profile_id,
        cast(null as {{ lf_type('varchar') }}) as email,
        cast(null as {{ lf_type('varchar') }}) as phone_number
    from requests
    where profile_id is not null

    union all

    select
        request_id,
        'email' as identifier_kind,
        cast(null as {{ lf_type('varchar') }}) as profile_id,
        email,
        cast(null as {{ lf_type('varchar') }}) as phone_number
    from requests
    where email is not null

    union all

    select
        request_id,
        'phone_number' as identifier_kind,
        cast(null as {{ lf_type('varchar') }}) as profile_id,
        cast(null as {{ lf_type('varchar') }}) as email,
        phone_number
    from requests
    where phone_number is not null

    union all

    select
        requests.request_id,
        case when requests.profile_id is null then 'profile_id' else 'external_id' end as identifier_kind,
        by_external_id.profile_id,
        cast(null as {{ lf_type('varchar') }}) as email,
        cast(null as {{ lf_type('varchar') }}) as phone_number

    from requests
    left join by_external_id on requests.request_id = by_external_id.request_id
    where
        requests.external_id is not null
        and case
            when by_external_id.profile_id is null then coalesce(requests.profile_id, requests.email, requests.phone_number) is null
            else coalesce(requests.profile_id <> by_external_id.profile_id, true)
        end

    union all

    select
        request_id,
        'none' as identifier_kind,
        cast(null as {{ lf_type('varchar') }}) as profile_id,
        cast(null as {{ lf_type('varchar') }}) as email,
        cast(null as {{ lf_type('varchar') }}) as phone_number
    from requests
    where coalesce(profile_id, external_id, email, phone_number) is null

),

-- What the target writes down says by which identifier it deleted; what others write, that all was done.
acceptances as (

    select
        request_id,
        {{ lf_json_text('detail', 'identifier') }} as identifier_kind,
        acted_at
    from actions
    where action = 'accepted'

),

accepted as (

    select
        identified.request_id,
        identified.identifier_kind,
        max(acceptances.acted_at) as accepted_at

    from identified
    inner join requests on identified.request_id = requests.request_id
    inner join acceptances on identified.request_id = acceptances.request_id
    where
        (
            acceptances.identifier_kind is null
            or acceptances.identifier_kind = identified.identifier_kind
            or identified.identifier_kind = 'none'
        )
        and (requests.came_back_at is null or acceptances.acted_at > requests.came_back_at)
    group by identified.request_id, identified.identifier_kind

),

of_others as (

    select distinct request_id
    from deletion_profiles
    where is_of_others

),

unsuppressed as (

    {% if lf_variable('suppress_before_deletion') -%}
    select distinct deletion_profiles.request_id

    from deletion_profiles
    left join consent_decided
        on
            consent_decided.channel = 'email'
            and consent_decided.identifier = lower(trim(deletion_profiles.email))
    where
        deletion_profiles.email is not null
        and not deletion_profiles.is_of_others
        and not coalesce(consent_decided.is_blocked_by_klaviyo, false)
    {%- else -%}
    select request_id
    from requests
    where false
    {%- endif %}

),

waiting as (

    select
        ---------- ids
        identified.request_id,
        identified.profile_id,

        ---------- texts
        identified.identifier_kind,
        identified.email,
        identified.phone_number,
        case
            when accepted.accepted_at is not null then null
            when requests.identity_verified_at is null then 'identity'
            when not requests.is_scope_known then 'scope'
            when identified.identifier_kind = 'none' then 'identifier'
            when identified.identifier_kind = 'external_id' then 'other_person'
            when identified.identifier_kind = 'phone_number' and of_others.request_id is not null then 'other_person'
            when identified.identifier_kind = 'profile_id' and identified.profile_id is null then 'profile'
            when unsuppressed.request_id is not null then 'suppression'
            else 'sending'
        end as waits_for,

        ---------- timestamps
        accepted.accepted_at

    from identified
    inner join requests on identified.request_id = requests.request_id
    left join accepted
        on
            identified.request_id = accepted.request_id
            and identified.identifier_kind = accepted.identifier_kind
    left join of_others on identified.request_id = of_others.request_id
    left join unsuppressed on identified.request_id = unsuppressed.request_id

)

select * from waiting
