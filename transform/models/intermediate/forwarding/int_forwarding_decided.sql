{%- set kinds = {'profile_id': "'id:' || profile_id", 'external_id': "'external_id:' || external_id", 'email': "'email:' || lower(email)", 'phone_number': "'phone_number:' || phone_number"} -%}

with

matches as (

    select * from {{ ref('int_forwarding_matches') }}

),

definitions as (

    select * from {{ ref('stg_forwarding__definitions') }}

),

found_values as (

    select * from {{ ref('int_forwarding_values') }}

),

consent as (

    select * from {{ ref('int_forwarding_consent') }}

),

places as (

    select * from {{ ref('stg_forwarding__values') }}

),

lists as (

    select * from {{ ref('int_forwarding_lists') }}

),

people as (

    select * from {{ ref('int_forwarding_people') }}

),

former as (

    select * from {{ ref('int_forwarding_former') }}

),

-- By what was forwarded before another copy is known, whoever sent it.
forwarded_before as (

    select
        match_ref,
        event_key
    from {{ lf_forwarding_told() }}
    where
        {{ lf_is_sent_still('decided_at') }}
        and decision = 'forwarded'
        and event_key is not null

),

properties_made as (

    select
        found_values.match_ref,
        found_values.name,
        case when lists.value_ref is null then found_values.value else lists.value end as value

    from found_values
    left join lists on found_values.value_ref = lists.value_ref
    where found_values.value_use = 'property'

),

property_values as (

    select
        match_ref,
        {{ lf_json_object_agg('name', 'value') }} as properties
    from properties_made
    where value is not null
    group by match_ref

),

texts as (

    select
        match_ref,
        value_use,
        part,
        {{ lf_json_scalar('value') }} as value
    from found_values
    where value_use in ('value', 'currency', 'unique_id')

),

single_values as (

    select
        match_ref,
        max(case when value_use = 'value' then {{ lf_money('value') }} end) as value,
        max(case when value_use = 'currency' then {{ lf_text_of_pattern('upper(trim(value))', '[A-Z]{3}') }} end) as currency
    from texts
    where value_use in ('value', 'currency')
    group by match_ref

),

asked_parts as (

    select
        definition_key,
        rule,
        count(distinct part) as parts
    from places
    where value_use = 'unique_id'
    group by
        definition_key,
        rule

),

unique_ids as (

    select
        match_ref,
        count(*) as parts,
        {%- for part in range(8) %}
        coalesce(max(case when part = {{ part }} then value end), ''){{ ' ||' if not loop.last }}
        {%- endfor %} as unique_id
    from texts
    where value_use = 'unique_id'
    group by match_ref

),

joined as (

    select
        matches.match_ref,
        matches.event_ref,
        matches.definition_key,
        matches.message_id,
        matches.type,
        matches.event,
        matches.metric,
        matches.rule,
        matches.reason,
        matches.occurred_at,
        matches.received_at,
        people.identified_by,
        people.identifier,
        people.person_key,
        people.contact_key,
        people.linked_email,
        people.linked_phone_number,
        people.profile_id,
        people.external_id,
        people.email,
        people.phone_number,
        people.klaviyo_profile_id,
        coalesce(people.is_gone, false) as is_gone,
        single_values.value,
        single_values.currency,
        property_values.properties,
        case when unique_ids.parts = asked_parts.parts then unique_ids.unique_id else matches.message_id end as unique_id,
        definitions.status,
        definitions.older,
        definitions.definition_sha256,
        consent.is_switched_off,
        consent.is_machine,
        consent.outcome as consent,
        consent.decided_by as consent_decided_by,
        consent.undecoded_string is not null as is_undecoded,
        matches.occurred_at < {{ lf_dateadd('hour', '-1 * definitions.max_age_hours', lf_now()) }} as is_old,
        former.decision as former_decision,
        former.decision = 'forwarded' as was_forwarded,
        coalesce(former.was_sent, false) as was_sent,
        coalesce(former.is_doubtful, false) as is_doubtful,
        former.unique_id as former_unique_id,
        former.event_key as former_event_key,
        former.sent_key as former_sent_key,
        -- What Klaviyo refused is mended by another file, and then sent anew.
        coalesce(former.is_reopened, false)
        or coalesce(former.decision = 'forwarded' and former.definition_sha256 <> definitions.definition_sha256, false) as is_reopened,
        former.is_open as was_open,
        former.decided_at as former_decided_at,
        coalesce(
            former.is_shown or former.decision = 'delivered' or (former.decision = 'duplicate' and not former.is_doubtful), false
        ) as is_settled

    from matches
    inner join definitions on matches.definition_key = definitions.definition_key
    left join people on matches.event_ref = people.event_ref
    left join single_values on matches.match_ref = single_values.match_ref
    left join property_values on matches.match_ref = property_values.match_ref
    left join unique_ids on matches.match_ref = unique_ids.match_ref
    left join asked_parts
        on
            matches.definition_key = asked_parts.definition_key
            and matches.rule = asked_parts.rule
    left join consent on matches.event_ref = consent.event_ref
    left join former on matches.match_ref = former.match_ref

),

-- Two lines that nothing tells apart are two. A line keeps its number when one before it is settled.
number_lines as (

    select
        *,
        row_number() over (partition by event_ref, metric, unique_id order by match_ref) as line
    from joined

),

-- What was sent keeps its id, whatever the file says by now: Klaviyo would keep both.
told_apart as (

    select
        number_lines.*,
        case
            when was_sent and former_unique_id is not null then former_unique_id
            else unique_id || case when line > 1 then ':' || {{ lf_text('line') }} else '' end
        end as whole_unique_id
    from number_lines
    where not is_settled

),

-- And what it was sent under.
sent_by as (

    select
        match_ref,
        {% for name, key in kinds.items() -%}
        was_sent and {{ lf_forwarding_event_key('metric', 'whole_unique_id', key) }} = former_sent_key as is_by_{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from told_apart

),

identified as (

    select
        told_apart.*,
        case
            {%- for name in kinds %}
            when sent_by.is_by_{{ name }} then '{{ name }}'
            {%- endfor %}
            else told_apart.identified_by
        end as sent_identified_by,
        case
            {%- for name in kinds %}
            when sent_by.is_by_{{ name }} then told_apart.{{ name }}
            {%- endfor %}
            else told_apart.identifier
        end as sent_identifier

    from told_apart
    inner join sent_by on told_apart.match_ref = sent_by.match_ref

),

-- What was forwarded does not get too old by waiting for Klaviyo, nor what waits for another copy; it is then only recorded.
reasons as (

    select
        *,
        case
            when reason is not null then reason
            when is_switched_off then 'switched_off'
            when is_machine then 'machine'
            when coalesce(consent, 'drop') = 'drop' then 'no_consent'
            when consent = 'strip' then 'stripped'
            when identifier is null and person_key is null then 'nobody'
            when identifier is null then 'anonymous'
            when is_gone then 'gone'
            when is_old and older = 'drop' and not was_sent and not is_doubtful then 'too_old'
            when status = 'draft' then 'draft'
        end as held_back,
        case
            when was_sent and former_event_key is not null then former_event_key
            else {{ lf_forwarding_event_key('metric', 'whole_unique_id', 'person_key') }}
        end as event_key,
        case
            when was_sent and former_sent_key is not null then former_sent_key
            else {{ lf_forwarding_event_key('metric', 'whole_unique_id', 'contact_key') }}
        end as sent_key
    from identified

),

event_keys as (

    {% for key in (
        "person_key", "'email:' || linked_email", "'phone_number:' || linked_phone_number", "'external_id:' || external_id", "'id:' || klaviyo_profile_id"
    ) -%}
    select
        match_ref,
        {{ lf_forwarding_event_key('metric', 'whole_unique_id', key) }} as event_key
    from reasons
    where
        held_back is null
        and not coalesce(was_forwarded, false)
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

-- What is held back, or asked for by no rule, since it was forwarded, and is not shown: it was sent, or it never was.
taken_back as (

    select
        former.match_ref,
        case when former.is_withdrawn then former.decided_at else {{ lf_now() }} end as taken_back_at

    from former
    left join reasons on former.match_ref = reasons.match_ref
    where
        former.was_sent
        and not former.is_shown
        and (reasons.match_ref is null or reasons.held_back is not null)

),

-- Klaviyo shows within minutes what it took.
copies as (

    select distinct event_keys.match_ref

    from event_keys
    inner join forwarded_before on event_keys.event_key = forwarded_before.event_key
    left join taken_back on forwarded_before.match_ref = taken_back.match_ref
    where
        forwarded_before.match_ref <> event_keys.match_ref
        and (
            taken_back.match_ref is null
            or taken_back.taken_back_at > {{ lf_dateadd('hour', -1, lf_now()) }}
        )

),

-- The same business key twice is one event: the one that was forwarded, else the one that happened first.
number_events as (

    select
        reasons.*,
        copies.match_ref is not null as is_copy,
        case
            when reasons.held_back is null and copies.match_ref is null
                then row_number() over (
                    partition by reasons.metric, reasons.whole_unique_id, reasons.person_key, reasons.held_back, copies.match_ref
                    order by
                        case when reasons.was_sent then 0 else 1 end, reasons.occurred_at, reasons.received_at, reasons.definition_key, reasons.match_ref
                )
        end as repetition

    from reasons
    left join copies on reasons.match_ref = copies.match_ref

),

named as (

    select
        *,
        coalesce(held_back, case when is_copy or repetition > 1 then 'duplicate' else 'forwarded' end) as decision
    from number_events

),

decided as (

    select
        ---------- ids
        match_ref,
        event_ref,
        definition_key,
        message_id,
        whole_unique_id as unique_id,

        ---------- texts
        type,
        event,
        metric,
        decision,
        former_decision,
        case when coalesce(consent, 'drop') = 'allow' then sent_identified_by end as identified_by,
        case when coalesce(consent, 'drop') = 'allow' then sent_identifier end as identifier,
        currency,
        consent_decided_by,
        event_key,
        sent_key,
        {{ lf_md5('person_key') }} as visitor_digest,
        definition_sha256,

        ---------- documents
        properties,

        ---------- numerics
        rule,
        value,

        ---------- booleans
        is_old as is_backfill,
        decision = 'forwarded' or (decision = 'no_consent' and is_undecoded) or (was_sent and held_back is not null) as is_open,
        was_sent and held_back is not null as is_withdrawn,
        is_reopened,

        ---------- timestamps
        case when was_open then former_decided_at end as closes_decided_at,
        occurred_at,
        received_at

    from named

)

select * from decided
