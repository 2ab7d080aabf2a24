{{ config(materialized='append_only') }}

with

people as (

    select * from {{ ref('int_forwarding_people') }}

),

events as (

    select * from {{ ref('int_forwarding_events') }}

),

-- One identifier alone tells of no other.
told as (

    select
        events.definition_key,
        people.anonymous_id,
        people.external_id,
        lower(people.email) as email,
        people.phone_number,
        min(events.occurred_at) as known_since

    from people
    inner join events on people.event_ref = events.event_ref
    where
        not people.is_stitched
        and case when people.anonymous_id is null then 0 else 1 end
        + case when people.external_id is null then 0 else 1 end
        + case when people.email is null then 0 else 1 end
        + case when people.phone_number is null then 0 else 1 end > 1
    group by
        events.definition_key,
        people.anonymous_id,
        people.external_id,
        lower(people.email),
        people.phone_number

),

news as (

    select
        ---------- ids
        told.definition_key,
        told.anonymous_id,
        told.external_id,

        ---------- texts
        told.email,
        told.phone_number,

        ---------- timestamps
        told.known_since,
        {{ lf_now() }} as recorded_at

    from told
    left join {{ lf_forwarding_visitors() }} as known
        on
            told.definition_key = known.definition_key
            and coalesce(told.anonymous_id, '') = coalesce(known.anonymous_id, '')
            and coalesce(told.external_id, '') = coalesce(known.external_id, '')
            and coalesce(told.email, '') = coalesce(known.email, '')
            and coalesce(told.phone_number, '') = coalesce(known.phone_number, '')
            and told.known_since >= known.known_since
    where known.definition_key is null

)

select * from news
