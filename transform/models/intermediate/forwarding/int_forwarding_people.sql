{%- set kinds = {'id': 'profile_id', 'email': 'email', 'phone_number': 'phone_number', 'external_id': 'external_id'} -%}

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

found_values as (

    select * from {{ ref('int_forwarding_values') }}

),

profile_identifiers as (

    select * from {{ ref('int_profile_identifiers') }}

),

readings as (

    select * from {{ ref('int_resource_readings') }}

),

former_visitors as (

    select
        definition_key,
        anonymous_id,
        external_id,
        email,
        phone_number,
        known_since
    from {{ lf_forwarding_visitors() }}

),

-- A number that is none costs the number: the person is then known by the next identifier.
identifiers as (

    select
        match_ref as event_ref,
        name,
        case name
            when 'email' then {{ lf_email_address(lf_json_scalar('value')) }}
            when 'phone_number' then {{ lf_phone_number(lf_json_scalar('value')) }}
            else nullif(trim({{ lf_json_scalar('value') }}), '')
        end as value
    from found_values
    where value_use = 'identifier'

),

own as (

    select
        events.event_ref,
        events.definition_key,
        events.occurred_at,
        events.received_at,
        {% for name in ('profile_id', 'external_id', 'email', 'phone_number', 'anonymous_id') -%}
        max(case when identifiers.name = '{{ name }}' then identifiers.value end) as {{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from events
    left join identifiers on events.event_ref = identifiers.event_ref
    group by
        events.event_ref,
        events.definition_key,
        events.occurred_at,
        events.received_at

),

-- Who told more than one identifier in a call, in this run or before.
visitors as (

    select * from former_visitors

    union all

    select
        definition_key,
        anonymous_id,
        external_id,
        email,
        phone_number,
        occurred_at as known_since
    from own
    where coalesce(external_id, email, phone_number) is not null

),

-- A browser of several people is nobody's.
anonymous_visitors as (

    select
        definition_key,
        anonymous_id,
        min(external_id) as external_id,
        min(lower(email)) as email,
        min(phone_number) as phone_number,
        min(known_since) as known_since
    from visitors
    where anonymous_id in (select own.anonymous_id from own)
    group by
        definition_key,
        anonymous_id
    having
        count(distinct external_id) <= 1
        and count(distinct lower(email)) <= 1
        and count(distinct phone_number) <= 1

),

-- By your own id an event of the browser meets the one of the server, which has the address.
customers as (

    select
        external_id,
        min(lower(email)) as email,
        min(phone_number) as phone_number
    from visitors
    where external_id in (select own.external_id from own)
    group by external_id
    having
        count(distinct lower(email)) <= 1
        and count(distinct phone_number) <= 1

),

stitched as (

    select
        own.event_ref,
        own.definition_key,
        own.received_at,
        own.profile_id,
        own.anonymous_id,
        coalesce(own.external_id, anonymous_visitors.external_id) as external_id,
        coalesce(own.email, anonymous_visitors.email) as email,
        coalesce(own.phone_number, anonymous_visitors.phone_number) as phone_number,
        anonymous_visitors.anonymous_id is not null as is_stitched

    from own
    inner join definitions on own.definition_key = definitions.definition_key
    left join anonymous_visitors
        on
            own.definition_key = anonymous_visitors.definition_key
            and own.anonymous_id = anonymous_visitors.anonymous_id
            and coalesce(own.profile_id, own.external_id, own.email, own.phone_number) is null
            and definitions.stitch_days > 0
            and own.occurred_at >= {{ lf_dateadd('day', '-1 * definitions.stitch_days', 'anonymous_visitors.known_since') }}

),

precedence as (

    select
        definition_key,
        name,
        min(part) as part
    from places
    where
        rule = 0
        and value_use = 'identifier'
    group by
        definition_key,
        name

),

known_by as (

    {% for kind, column in kinds.items() -%}
    select
        event_ref,
        definition_key,
        '{{ column }}' as name,
        {{ column }} as identifier,
        '{{ kind }}:' || {{ 'lower(email)' if kind == 'email' else column }} as contact_key,
        {{ loop.index }} as place
    from stitched
    where {{ column }} is not null
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

profile_keys as (

    {{ lf_profile_keys('select known_by.contact_key from known_by') }}

),

number_identifiers as (

    select
        known_by.event_ref,
        known_by.name,
        known_by.identifier,
        known_by.contact_key,
        profile_keys.profile_id,
        profile_keys.contact_key is not null and profile_keys.profile_id is null as is_of_nobody_left,
        row_number() over (partition by known_by.event_ref order by coalesce(precedence.part, 9), known_by.place) as choice,
        row_number() over (
            partition by known_by.event_ref
            order by case when profile_keys.profile_id is null then 1 else 0 end, known_by.place
        ) as profile_choice

    from known_by
    left join precedence
        on
            known_by.definition_key = precedence.definition_key
            and known_by.name = precedence.name
    left join profile_keys on known_by.contact_key = profile_keys.contact_key

),

chosen as (

    select * from number_identifiers
    where choice = 1

),

profiles as (

    select
        event_ref,
        profile_id
    from number_identifiers
    where
        profile_choice = 1
        and profile_id is not null

),

last_sweep as (

    select max(snapshot_at) as snapshot_at
    from readings
    where stream_name = 'profiles'

),

-- Whom Klaviyo has deleted is not made again by what came before.
people as (

    select
        ---------- ids
        stitched.event_ref,
        stitched.profile_id,
        stitched.external_id,
        stitched.anonymous_id,
        profiles.profile_id as klaviyo_profile_id,

        ---------- texts
        stitched.email,
        stitched.phone_number,
        chosen.name as identified_by,
        chosen.identifier,
        chosen.contact_key,
        coalesce(
            'id:' || coalesce(profiles.profile_id, stitched.profile_id),
            'email:' || lower(coalesce(stitched.email, customers.email)),
            'phone_number:' || coalesce(stitched.phone_number, customers.phone_number),
            'external_id:' || stitched.external_id,
            'anonymous_id:' || stitched.anonymous_id
        ) as person_key,
        lower(coalesce(stitched.email, customers.email)) as linked_email,
        coalesce(stitched.phone_number, customers.phone_number) as linked_phone_number,

        ---------- booleans
        stitched.is_stitched,
        coalesce(chosen.is_of_nobody_left and stitched.received_at <= last_sweep.snapshot_at, false) as is_gone

    from stitched
    cross join last_sweep
    left join chosen on stitched.event_ref = chosen.event_ref
    left join profiles on stitched.event_ref = profiles.event_ref
    left join customers on stitched.external_id = customers.external_id

)

select * from people
