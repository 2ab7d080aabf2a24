{%- set runs = lf_forwarding_open_runs() if lf_forwarding_is_run() else none -%}

with

definitions as (

    select * from {{ ref('stg_forwarding__definitions') }}

),

klaviyo_events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

-- As far back as anything is decided anew.
ledger as {{ lf_repeated() }} (

    select *
    from {{ lf_forwarding_told() }}
    where decided_at >= {{ lf_dateadd('day', '-1 * ' ~ lf_larger(lf_variable('pushed_days') | int, 'coalesce((select max(stitch_days) from definitions), 0)'), lf_now()) }}

),

-- What Klaviyo shows, and what no rule makes any more, no file decided.
shas as (

    select
        definition_key,
        definition_sha256,
        max(decided_at) as decided_at
    from ledger
    where decision not in ('delivered', 'superseded')
    group by
        definition_key,
        definition_sha256

),

rank_shas as (

    select
        *,
        row_number() over (partition by definition_key order by decided_at desc, definition_sha256) as recency
    from shas

),

changed_definitions as (

    select definitions.definition_key

    from definitions
    inner join rank_shas on definitions.definition_key = rank_shas.definition_key
    where
        rank_shas.recency = 1
        and rank_shas.definition_sha256 <> definitions.definition_sha256

),

known_visitors as (

    select distinct
        visitors.definition_key,
        {{ lf_md5("'anonymous_id:' || visitors.anonymous_id") }} as visitor_digest,
        {{ lf_dateadd('day', '-1 * definitions.stitch_days', 'visitors.known_since') }} as stitched_since

    from {{ lf_forwarding_visitors() }} as visitors
    inner join definitions on visitors.definition_key = definitions.definition_key
    where
        visitors.anonymous_id is not null
        and definitions.stitch_days > 0
        and {{ lf_forwarding_since_last_run('visitors.recorded_at') }}

),

reopened as (

    select distinct *
    from (
        select ledger.event_ref
        from ledger
        inner join changed_definitions on ledger.definition_key = changed_definitions.definition_key
        where
            ledger.decision in {{ lf_forwarding_held_back() }}
            and {{ lf_is_sent_still('ledger.received_at') }}

        union all

        select ledger.event_ref
        from ledger
        inner join known_visitors
            on
                ledger.visitor_digest = known_visitors.visitor_digest
                and ledger.definition_key = known_visitors.definition_key
        where
            ledger.decision = 'anonymous'
            and ledger.occurred_at >= known_visitors.stitched_since
    ) as told_twice

),

-- What was taken back and is not shown was sent or was not: what was held to be a copy of it is looked at again.
taken_back as (

    select distinct
        metric,
        unique_id
    from {{ lf_forwarding_told() }}
    where
        is_withdrawn
        and {{ lf_is_sent_still('decided_at') }}

),

doubtful as (

    select distinct
        ledger.event_ref,
        ledger.match_ref

    from ledger
    inner join taken_back
        on
            ledger.metric = taken_back.metric
            and ledger.unique_id = taken_back.unique_id
    where ledger.decision = 'duplicate'

),

-- All that was decided of an event was decided in the run that left it open, or closed by another one.
looked_at as (

    select
        ledger.*,
        1 as is_asked_again
    from ledger
    inner join reopened on ledger.event_ref = reopened.event_ref

    union all

    select
        *,
        0 as is_asked_again
    from ledger
    where event_ref in (select doubtful.event_ref from doubtful)

    union all

    select
        *,
        0 as is_asked_again
    from ledger
    where {{ lf_forwarding_of_runs('decided_at', runs) }}

    union all

    -- By itself, so that a warehouse leaves unread what it can.
    select
        *,
        0 as is_asked_again
    from ledger
    where {{ lf_forwarding_of_runs('closes_decided_at', runs) }}

),

number_decisions as (

    select
        *,
        row_number() over (partition by match_ref order by decided_at desc, is_asked_again desc) as recency
    from looked_at

),

-- What was forwarded, and what was held back since: Klaviyo may have it.
latest as (

    select
        *,
        decision = 'forwarded' or coalesce(is_withdrawn, false) as was_sent
    from number_decisions
    where recency = 1

),

waiting as (

    select *
    from latest
    where
        is_open
        and {{ lf_is_sent_still('decided_at') }}

),

-- The person is known to Klaviyo by what the event was sent under, or by more.
candidates as (

    select
        waiting.match_ref,
        waiting.event_key,
        waiting.sent_key,
        waiting.metric,
        waiting.unique_id,
        waiting.is_withdrawn,
        waiting.decided_at,
        klaviyo_events.profile_id

    from waiting
    inner join metrics on waiting.metric = metrics.metric_name
    inner join klaviyo_events
        on
            metrics.metric_id = klaviyo_events.metric_id
            and waiting.unique_id = klaviyo_events.unique_id
    where
        waiting.was_sent
        and {{ lf_forwarding_since_open('klaviyo_events.occurred_at', runs) }}

),

-- A copy that took the place of what was taken back is what Klaviyo then shows.
replaced as (

    select distinct candidates.match_ref

    from candidates
    inner join ledger
        on
            candidates.metric = ledger.metric
            and candidates.unique_id = ledger.unique_id
            and candidates.decided_at < ledger.decided_at
            and candidates.match_ref <> ledger.match_ref
    where
        candidates.is_withdrawn
        and ledger.decision = 'forwarded'

),

seen as (

    select distinct candidates.match_ref

    from candidates
    left join profiles on candidates.profile_id = profiles.profile_id
    where
        candidates.event_key is null
        {%- for column in ('event_key', 'sent_key') %}
        or candidates.{{ column }} in (
            {{ lf_forwarding_event_key('candidates.metric', 'candidates.unique_id', "'id:' || candidates.profile_id") }},
            {{ lf_forwarding_event_key('candidates.metric', 'candidates.unique_id', "'email:' || lower(trim(profiles.email))") }},
            {{ lf_forwarding_event_key('candidates.metric', 'candidates.unique_id', "'phone_number:' || profiles.phone_number") }},
            {{ lf_forwarding_event_key('candidates.metric', 'candidates.unique_id', "'external_id:' || profiles.external_id") }}
        )
        {%- endfor %}

),

shown as (

    select match_ref from seen
    where match_ref not in (select replaced.match_ref from replaced)

),

events as (

    select
        latest.event_ref,
        max(case when latest.decision = 'duplicate' and doubtful.match_ref is not null then 1 else 0 end) as is_doubtful,
        max(case when waiting.match_ref is not null and shown.match_ref is null then 1 else 0 end) as is_waiting,
        max(case when latest.is_asked_again = 1 and latest.decision in {{ lf_forwarding_held_back() }} then 1 else 0 end) as is_reopened

    from latest
    left join waiting on latest.match_ref = waiting.match_ref
    left join shown on latest.match_ref = shown.match_ref
    left join doubtful on latest.match_ref = doubtful.match_ref
    group by latest.event_ref

),

former as (

    select
        ---------- ids
        latest.match_ref,
        latest.event_ref,
        latest.definition_key,
        latest.message_id,
        latest.unique_id,

        ---------- texts
        latest.type,
        latest.event,
        latest.metric,
        latest.decision,
        latest.consent_decided_by,
        latest.event_key,
        latest.sent_key,
        latest.visitor_digest,
        latest.definition_sha256,

        ---------- booleans
        latest.is_open,
        coalesce(latest.is_withdrawn, false) as is_withdrawn,
        latest.was_sent,
        latest.decision = 'duplicate' and doubtful.match_ref is not null as is_doubtful,
        shown.match_ref is not null as is_shown,
        events.is_reopened = 1 as is_reopened,
        events.is_waiting = 1 or events.is_reopened = 1 or events.is_doubtful = 1 as is_decided_again,

        ---------- timestamps
        latest.occurred_at,
        latest.received_at,
        latest.decided_at

    from latest
    inner join events on latest.event_ref = events.event_ref
    left join shown on latest.match_ref = shown.match_ref
    left join doubtful on latest.match_ref = doubtful.match_ref
    where
        events.is_waiting = 1
        or events.is_reopened = 1
        or events.is_doubtful = 1
        or shown.match_ref is not null

)

select * from former
