{{ config(materialized='append_only') }}

with

events as (

    select * from {{ ref('int_forwarding_events') }}

),

definitions as (

    select * from {{ ref('stg_forwarding__definitions') }}

),

places as (

    select * from {{ ref('stg_forwarding__values') }}

),

people as (

    select * from {{ ref('int_forwarding_people') }}

),

consent as (

    select * from {{ ref('int_forwarding_consent') }}

),

found_values as (

    select * from {{ ref('int_forwarding_values') }}

),

former as (

    select
        contact_key,
        name,
        {{ lf_json_of_text(lf_json_serialized('value')) }} as value,
        external_id,
        email,
        phone_number,
        stated_at,
        row_number() over (partition by contact_key, name order by stated_at desc, recorded_at desc) as recency
    from {{ lf_forwarding_contacts() }}
    where {{ lf_is_sent_still('recorded_at') }}

),

writing_definitions as (

    select distinct definitions.definition_key

    from definitions
    inner join places on definitions.definition_key = places.definition_key
    where
        definitions.status = 'live'
        and places.value_use = 'contact'

),

-- A clock that is ahead must not make a trait the newest for good.
callers as (

    select
        events.event_ref,
        events.definition_key,
        people.contact_key,
        {% for name in ('profile_id', 'external_id', 'email', 'phone_number') -%}
        max(people.{{ name }}) over (partition by people.contact_key) as {{ name }},
        {% endfor -%}
        case when events.occurred_at < events.received_at then events.occurred_at else events.received_at end as stated_at

    from events
    inner join writing_definitions on events.definition_key = writing_definitions.definition_key
    inner join people on events.event_ref = people.event_ref
    inner join consent on events.event_ref = consent.event_ref
    where
        people.contact_key is not null
        and not people.is_gone
        and consent.outcome = 'allow'
        and not consent.is_switched_off
        and not consent.is_machine

),

-- Without a name: that there is somebody, and what else they are known by.
told as (

    select
        callers.*,
        '' as name,
        cast(null as {{ lf_type('json') }}) as value
    from callers

    union all

    select
        callers.*,
        found_values.name,
        found_values.value

    from callers
    inner join found_values on callers.event_ref = found_values.match_ref
    where found_values.value_use = 'contact'

),

rank_by_time as (

    select
        *,
        row_number() over (partition by contact_key, name order by stated_at desc, event_ref desc) as recency
    from told

),

news as (

    select
        ---------- ids
        rank_by_time.contact_key,
        rank_by_time.definition_key,
        rank_by_time.event_ref,
        rank_by_time.profile_id,
        rank_by_time.external_id,

        ---------- texts
        rank_by_time.email,
        rank_by_time.phone_number,
        rank_by_time.name,

        ---------- documents
        rank_by_time.value,

        ---------- timestamps
        rank_by_time.stated_at,
        {{ lf_now() }} as recorded_at

    from rank_by_time
    left join former
        on
            rank_by_time.contact_key = former.contact_key
            and rank_by_time.name = former.name
            and former.recency = 1
    where
        rank_by_time.recency = 1
        and (
            former.contact_key is null
            or (
                rank_by_time.stated_at > former.stated_at
                and (
                    {{ lf_is_distinct(lf_json_canonical('rank_by_time.value'), lf_json_canonical('former.value')) }}
                    or {{ lf_is_distinct('rank_by_time.external_id', 'coalesce(former.external_id, rank_by_time.external_id)') }}
                    or {{ lf_is_distinct('rank_by_time.email', 'coalesce(former.email, rank_by_time.email)') }}
                    or {{ lf_is_distinct('rank_by_time.phone_number', 'coalesce(former.phone_number, rank_by_time.phone_number)') }}
                )
            )
        )

)

select * from news
