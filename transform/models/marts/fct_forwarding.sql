{{ config(materialized='append_only') }}

with

decided as (

    select * from {{ ref('int_forwarding_decided') }}

),

former as (

    select * from {{ ref('int_forwarding_former') }}

),

events as (

    select * from {{ ref('int_forwarding_events') }}

),

-- What is decided as it was says nothing new, unless another rule was asked.
changed as (

    select
        match_ref,
        event_ref,
        definition_key,
        message_id,
        unique_id,
        type,
        event,
        metric,
        decision,
        former_decision,
        consent_decided_by,
        event_key,
        sent_key,
        visitor_digest,
        definition_sha256,
        is_backfill,
        is_open,
        is_withdrawn,
        closes_decided_at,
        occurred_at,
        received_at
    from decided
    where
        is_reopened
        or {{ lf_is_distinct('decision', 'former_decision') }}

),

-- Klaviyo shows it, or no rule makes anything of the event any more. What was sent by then may be shown all the same, or be asked for again.
settled as (

    select
        former.match_ref,
        former.event_ref,
        former.definition_key,
        former.message_id,
        former.unique_id,
        former.type,
        former.event,
        former.metric,
        case when former.is_shown then 'delivered' else 'superseded' end as decision,
        former.decision as former_decision,
        former.consent_decided_by,
        former.event_key,
        former.sent_key,
        former.visitor_digest,
        former.definition_sha256,
        false as is_backfill,
        former.was_sent and not former.is_shown as is_open,
        former.was_sent and not former.is_shown as is_withdrawn,
        case when former.is_open then former.decided_at end as closes_decided_at,
        former.occurred_at,
        former.received_at

    from former
    left join events on former.event_ref = events.event_ref
    left join decided on former.match_ref = decided.match_ref
    where
        former.is_shown
        or (
            former.decision not in ('delivered', 'duplicate', 'superseded')
            and events.event_ref is not null
            and decided.match_ref is null
        )

),

news as (

    select * from changed

    union all

    select * from settled

),

-- Who it is stands nowhere here.
told as (

    select
        ---------- ids
        match_ref,
        event_ref,
        definition_key,
        message_id,
        unique_id,

        ---------- texts
        type,
        event,
        metric,
        decision,
        former_decision,
        consent_decided_by,
        event_key,
        sent_key,
        visitor_digest,
        definition_sha256,

        ---------- booleans
        is_backfill,
        is_open,
        is_withdrawn,

        ---------- timestamps
        closes_decided_at,
        occurred_at,
        received_at,
        {{ lf_now() }} as decided_at

    from news

)

select * from told
