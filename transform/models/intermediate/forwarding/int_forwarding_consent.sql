with

events as (

    select * from {{ ref('int_forwarding_events') }}

),

definitions as (

    select * from {{ ref('stg_forwarding__definitions') }}

),

all_checks as (

    select * from {{ ref('stg_forwarding__consent_checks') }}

),

consent_strings as (

    select * from {{ ref('stg_forwarding__consent_strings') }}

),

people as (

    select * from {{ ref('int_forwarding_people') }}

),

consent_decided as (

    select * from {{ ref('int_consent_decided') }}

),

checks as (

    select
        *,
        definition_key || '#' || {{ lf_text('check_number') }} as check_ref
    from all_checks

),

looked_at as (

    select
        events.event_ref,
        checks.check_ref,
        checks.check_number,
        checks.scheme,
        checks.denied,
        checks.vendor,
        case
            when checks.root = 'context' then {{ lf_json_value('events.context', 'checks.key_1') }}
            when checks.root = 'properties' then {{ lf_json_value('events.properties', 'checks.key_1') }}
        end as first_value,
        checks.key_2,
        checks.key_3,
        checks.key_4

    from events
    inner join checks on events.definition_key = checks.definition_key
    where checks.scheme <> 'klaviyo'

),

choices as (

    select
        event_ref,
        check_ref,
        check_number,
        scheme,
        denied,
        vendor,
        {{ lf_forwarding_path('first_value', 'looked_at') }} as choice
    from looked_at

),

told as (

    select
        *,
        substr(trim({{ lf_json_serialized('choice') }}), 1, 1) = '{' as is_document,
        {{ lf_json_scalar('choice') }} as choice_text
    from choices
    where {{ lf_forwarding_holds('choice') }}

),

-- A string that is not decoded yet is no consent, and is looked at again.
decoded as (

    select
        told.event_ref,
        told.check_ref,
        told.choice_text,
        consent_strings.string_sha256 is not null as is_decoded,
        consent_strings.purposes,
        consent_strings.vendors,
        consent_strings.refused,
        consent_strings.opted_out,
        consent_strings.fault

    from told
    left join consent_strings on {{ lf_sha256('told.choice_text') }} = consent_strings.string_sha256
    where
        told.scheme in ('tcf', 'gpp')
        and not told.is_document

),

needs as (

    {{ lf_json_texts('checks', 'check_ref', 'needed', 'need') }}

),

asked as (

    select
        told.event_ref,
        told.check_ref,
        case told.scheme
            when 'segment' then {{ lf_boolean(lf_json_text_at('told.choice', 'needs.need')) }}
            when 'google' then {{ lf_json_text_at('told.choice', 'needs.need') }} = 'granted'
            when 'rudderstack'
                then {{ lf_contains(lf_json_serialized(lf_json_member('told.choice', 'allowedConsentIds')), "'\"' || needs.need || '\"'") }}
            when 'tcf'
                then
                    case
                        when told.is_document
                            then
                                {{ lf_boolean(lf_json_text_at(lf_json_member(lf_json_member('told.choice', 'purpose'), 'consents'), 'needs.need')) }}
                                and (
                                    told.vendor is null
                                    or {{ lf_boolean(lf_json_text_at(lf_json_member(lf_json_member('told.choice', 'vendor'), 'consents'), lf_text('told.vendor'))) }}
                                )
                        else
                            {{ lf_contains(lf_json_serialized('decoded.purposes'), "'\"' || needs.need || '\"'") }}
                            and (
                                told.vendor is null
                                or (
                                    {{ lf_contains(lf_json_serialized('decoded.vendors'), "'\"' || " ~ lf_text('told.vendor') ~ " || '\"'") }}
                                    and not coalesce({{ lf_contains(lf_json_serialized('decoded.refused'), "'\"' || " ~ lf_text('told.vendor') ~ " || ':' || needs.need || '\"'") }}, false)
                                )
                            )
                    end
        end as is_granted

    from told
    inner join needs on told.check_ref = needs.check_ref
    left join decoded
        on
            told.event_ref = decoded.event_ref
            and told.check_ref = decoded.check_ref
    where told.scheme in ('segment', 'google', 'rudderstack', 'tcf')

),

granted as (

    select
        event_ref,
        check_ref,
        sum(case when is_granted then 1 else 0 end) as granted_needs,
        count(*) as needs
    from asked
    group by
        event_ref,
        check_ref

),

by_address as (

    {% for kind, column in {'email': 'lower(people.email)', 'phone_number': 'people.phone_number', 'id': 'people.klaviyo_profile_id'}.items() -%}
    select
        event_ref,
        '{{ kind }}' as identifier_kind,
        {{ column }} as identifier
    from people
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

written_to as (

    select
        events.event_ref,
        checks.check_number,
        checks.scheme,
        checks.denied,
        max(case when consent_decided.may_be_written_to then 0 else 1 end) as is_denied

    from events
    inner join checks on events.definition_key = checks.definition_key
    inner join needs on checks.check_ref = needs.check_ref
    inner join by_address on events.event_ref = by_address.event_ref
    inner join consent_decided
        on
            by_address.identifier_kind = consent_decided.identifier_kind
            and by_address.identifier = consent_decided.identifier
            and needs.need = consent_decided.channel
    where checks.scheme = 'klaviyo'
    group by
        events.event_ref,
        checks.check_number,
        checks.scheme,
        checks.denied

),

outcomes as (

    select
        told.event_ref,
        told.check_number,
        told.scheme,
        case
            when told.scheme = 'us_privacy'
                then case when {{ lf_text_of_pattern('upper(told.choice_text)', '1[YN-][N-][YN-]') }} is not null then 'allow' else told.denied end
            when told.scheme in ('tcf', 'gpp') and not told.is_document and (not decoded.is_decoded or decoded.fault is not null) then 'drop'
            when told.scheme = 'gpp'
                then case when replace({{ lf_json_serialized('decoded.opted_out') }}, ' ', '') = '[]' then 'allow' else told.denied end
            when told.scheme = 'rudderstack' and lower({{ lf_json_text('told.choice', 'resolutionStrategy') }}) = 'or'
                then case when granted.granted_needs > 0 then 'allow' else told.denied end
            when granted.granted_needs = granted.needs then 'allow'
            else told.denied
        end as outcome,
        case when not decoded.is_decoded then decoded.choice_text end as undecoded_string

    from told
    left join granted
        on
            told.event_ref = granted.event_ref
            and told.check_ref = granted.check_ref
    left join decoded
        on
            told.event_ref = decoded.event_ref
            and told.check_ref = decoded.check_ref
    where
        told.scheme <> 'gpp'
        or not decoded.is_decoded
        or decoded.fault is not null
        or {{ lf_json_serialized('decoded.opted_out') }} <> 'null'

    union all

    select
        event_ref,
        check_number,
        scheme,
        case when is_denied = 1 then denied else 'allow' end as outcome,
        cast(null as {{ lf_type('varchar') }}) as undecoded_string
    from written_to

),

-- The strictest counts, and of equals the first.
number_outcomes as (

    select
        *,
        row_number() over (
            partition by event_ref
            order by case outcome when 'drop' then 0 when 'strip' then 1 else 2 end, check_number
        ) as place
    from outcomes

),

switched_off as (

    select
        event_ref,
        case
            when {{ lf_json_text('context_integrations', 'Klaviyo') }} is not null
                then coalesce({{ lf_boolean(lf_json_text('context_integrations', 'Klaviyo')) }}, true)
            else coalesce({{ lf_boolean(lf_json_text('context_integrations', 'All')) }}, true)
        end as is_on
    from (
        select
            event_ref,
            {{ lf_json_member('context', 'integrations') }} as context_integrations
        from events
    ) as integrations

),

words as (

    {{ lf_json_texts('definitions', 'definition_key', 'bot_words', 'word') }}

),

networks as (

    {{ lf_json_elements('definitions', 'definition_key', 'bot_networks', 'network') }}

),

network_ends as (

    select
        definition_key,
        {{ lf_number(lf_json_text('network', 'first')) }} as first_address,
        {{ lf_number(lf_json_text('network', 'last')) }} as last_address
    from networks

),

senders as (

    select
        event_ref,
        definition_key,
        lower({{ lf_json_text('context', 'userAgent') }}) as user_agent,
        lower({{ lf_json_text('context', 'user_agent') }}) as user_agent_column,
        {{ lf_text_of_pattern("trim(" ~ lf_json_text('context', 'ip') ~ ")", '[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}') }} as ip
    from events

),

addresses as (

    select
        event_ref,
        definition_key,
        {%- for part in range(1, 5) %}
        {{ lf_number(lf_split_part('ip', '.', part)) }} * {{ 256 ** (4 - part) }}{{ ' +' if not loop.last }}
        {%- endfor %} as address
    from senders
    where ip is not null

),

machines as (

    select distinct *
    from (
        select senders.event_ref
        from senders
        inner join words
            on
                senders.definition_key = words.definition_key
                and {{ lf_contains('coalesce(senders.user_agent, senders.user_agent_column)', 'words.word') }}

        union all

        select addresses.event_ref
        from addresses
        inner join network_ends
            on
                addresses.definition_key = network_ends.definition_key
                and addresses.address between network_ends.first_address and network_ends.last_address

        union all

        -- More in a minute than a person can do.
        select events.event_ref
        from events
        inner join definitions on events.definition_key = definitions.definition_key
        where events.events_in_minute > definitions.bot_per_minute
    ) as told_twice

),

decided as (

    select
        events.event_ref,
        case
            when definitions.asks_no_consent then 'allow'
            else coalesce(number_outcomes.outcome, definitions.consent_missing)
        end as outcome,
        case
            when definitions.asks_no_consent then 'not_asked'
            else
                coalesce(
                    number_outcomes.scheme || ' (' || {{ lf_text('number_outcomes.check_number') }} || ')'
                    || case when number_outcomes.undecoded_string is null then '' else ': not decoded yet' end,
                    'missing'
                )
        end as decided_by,
        number_outcomes.undecoded_string,
        not coalesce(switched_off.is_on, true) as is_switched_off,
        machines.event_ref is not null and not coalesce(definitions.keeps_bots, false) as is_machine

    from events
    inner join definitions on events.definition_key = definitions.definition_key
    left join number_outcomes
        on
            events.event_ref = number_outcomes.event_ref
            and number_outcomes.place = 1
    left join switched_off on events.event_ref = switched_off.event_ref
    left join machines on events.event_ref = machines.event_ref

)

select * from decided
