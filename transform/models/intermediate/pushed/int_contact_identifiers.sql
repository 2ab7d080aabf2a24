with

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

profile_identifiers as (

    select * from {{ ref('int_profile_identifiers') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

forwarding_contacts as (

    select * from {{ ref('int_forwarding_contacts') }}

),

forwarded_lately as (

    select * from forwarding_contacts
    where
        name = ''
        and {{ lf_is_sent_still('recorded_at') }}

),

profile_keys as (

    {{ lf_profile_keys('select forwarded_lately.contact_key from forwarded_lately') }}

),

forwarded as (

    select
        forwarded_lately.contact_key,
        profile_keys.profile_id,
        forwarded_lately.email,
        forwarded_lately.phone_number,
        forwarded_lately.external_id,
        'forwarding:' || forwarded_lately.event_ref as statement_ref,
        forwarded_lately.stated_at

    from forwarded_lately
    left join profile_keys on forwarded_lately.contact_key = profile_keys.contact_key

),

-- Of orders and registrations, who tells an address is known by it, so that it is never a further one.
told as (

    {% for kind in ['phone_number', 'external_id'] -%}
    select
        contact_key,
        profile_id,
        '{{ kind }}' as kind,
        {{ kind }} as identifier,
        '{{ kind }}:' || {{ kind }} as identifier_key,
        statement_ref,
        stated_at
    from pushed_contacts
    where
        not is_withdrawn
        and {{ kind }} is not null
    union all

    {% endfor -%}
    {% for kind in ['email', 'phone_number', 'external_id'] -%}
    select
        contact_key,
        profile_id,
        '{{ kind }}' as kind,
        {{ kind }} as identifier,
        '{{ kind }}:' || {{ 'lower(email)' if kind == 'email' else kind }} as identifier_key,
        statement_ref,
        stated_at
    from forwarded
    where {{ kind }} is not null
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

rank_by_time as (

    select
        *,
        row_number() over (partition by contact_key, kind order by stated_at desc, statement_ref desc) as recency,
        min(stated_at) over (partition by contact_key, identifier_key) as first_stated_at
    from told

),

owners as (

    {{ lf_profile_keys('select rank_by_time.identifier_key from rank_by_time') }}

),

held as (

    select
        rank_by_time.contact_key,
        rank_by_time.profile_id,
        rank_by_time.kind,
        rank_by_time.identifier,
        rank_by_time.identifier_key,
        rank_by_time.contact_key = rank_by_time.identifier_key as is_known_by_it,
        rank_by_time.first_stated_at,
        owners.profile_id as owner_id,
        case rank_by_time.kind when 'email' then profiles.email when 'phone_number' then profiles.phone_number else profiles.external_id end as held_identifier

    from rank_by_time
    left join owners on rank_by_time.identifier_key = owners.contact_key
    left join profiles on rank_by_time.profile_id = profiles.profile_id
    where rank_by_time.recency = 1

),

-- Whoever is known by it comes first, then who said it first: as if each had been answered when it came.
rank_claims as (

    select
        *,
        row_number() over (
            partition by identifier_key, case when owner_id is null and held_identifier is null then 1 else 0 end
            order by case when is_known_by_it then 0 else 1 end, first_stated_at, contact_key
        ) as place
    from held

),

decided as (

    select
        contact_key,
        kind,
        identifier,
        profile_id,
        owner_id,
        case
            when owner_id = profile_id then 'held'
            when held_identifier is not null then 'has_another'
            when owner_id is not null then 'of_another'
            when place > 1 then 'claimed_by_another'
            else 'free'
        end as state

    from rank_claims
    where not is_known_by_it

)

select * from decided
