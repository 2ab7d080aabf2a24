with

events as (

    select * from {{ ref('int_forwarding_events') }}

),

matches as (

    select * from {{ ref('int_forwarding_matches') }}

),

places as (

    select * from {{ ref('stg_forwarding__values') }}

),

rules as (

    select * from {{ ref('stg_forwarding__rules') }}

),

property_keys as (

    select distinct *
    from (
        select key_1 as entry_key
        from places
        where root = 'properties'

        union all

        select times_key_1 as entry_key
        from places
        where times_root = 'properties'
    ) as told_twice

),

context_keys as (

    select distinct *
    from (
        select key_1 as entry_key
        from places
        where root = 'context'

        union all

        select times_key_1 as entry_key
        from places
        where times_root = 'context'
    ) as told_twice

),

item_keys as (

    select distinct *
    from (
        select key_1 as entry_key
        from places
        where
            root = 'item'
            and value_use <> 'item'
            and key_1 is not null

        union all

        select times_key_1 as entry_key
        from places
        where
            times_root = 'item'
            and value_use <> 'item'
            and times_key_1 is not null
    ) as told_twice

),

items as (

    select
        match_ref,
        item
    from matches
    where item is not null

),

of_items as (

    {{ lf_json_entries('items', 'match_ref', 'item', 'item_keys', 'entry_key') }}

),

of_properties as (

    {{ lf_json_entries('events', 'event_ref', 'properties', 'property_keys', 'entry_key') }}

),

of_context as (

    {{ lf_json_entries('events', 'event_ref', 'context', 'context_keys', 'entry_key') }}

),

entries as (

    select
        event_ref as entry_of,
        'properties' as root,
        entry_key,
        value
    from of_properties

    union all

    select
        event_ref as entry_of,
        'context' as root,
        entry_key,
        value
    from of_context

    union all

    select
        match_ref as entry_of,
        'item' as root,
        entry_key,
        value
    from of_items

    union all

    select
        match_ref as entry_of,
        'item' as root,
        '' as entry_key,
        item as value
    from items
    {%- for column in ('user_id', 'anonymous_id', 'message_id', 'event', 'type') %}

    union all

    select
        event_ref as entry_of,
        '{{ column }}' as root,
        '' as entry_key,
        {{ lf_json_string(column) }} as value
    from events
    where {{ column }} is not null
    {%- endfor %}

),

-- What is said of the whole file, identifiers and traits, is looked for in each of its events, whether a rule names it or not.
asked as (

    select
        matches.match_ref,
        matches.event_ref,
        places.*

    from matches
    inner join places
        on
            matches.definition_key = places.definition_key
            and matches.rule = places.rule
    where
        matches.reason is null
        and places.value_use <> 'item'

    union all

    select
        events.event_ref as match_ref,
        events.event_ref,
        places.*

    from events
    inner join places
        on
            events.definition_key = places.definition_key
            and places.rule = 0

),

-- Of a rule that keeps all, what it neither leaves out nor makes anew.
rules_by_ref as (

    select
        definition_key || '#' || {{ lf_text('rule') }} as rule_ref,
        without
    from rules
    where keeps_all

),

left_out as (

    {{ lf_json_texts('rules_by_ref', 'rule_ref', 'without', 'name') }}

),

made_anew as (

    select distinct
        definition_key || '#' || {{ lf_text('rule') }} as rule_ref,
        name
    from places
    where value_use = 'property'

),

kept_whole as (

    select
        matches.match_ref,
        matches.definition_key || '#' || {{ lf_text('matches.rule') }} as rule_ref,
        events.properties
    from matches
    inner join events on matches.event_ref = events.event_ref
    where
        matches.keeps_all
        and matches.reason is null

),

kept_names as (

    {{ lf_json_keys('kept_whole', 'match_ref', 'properties', 'name') }}

),

kept as (

    select
        kept_whole.match_ref,
        kept_names.name,
        {{ lf_json_value('kept_whole.properties', 'kept_names.name') }} as value

    from kept_whole
    inner join kept_names on kept_whole.match_ref = kept_names.match_ref
    where
        not exists (
            select 1
            from left_out
            where
                left_out.rule_ref = kept_whole.rule_ref
                and left_out.name = kept_names.name
        )
        and not exists (
            select 1
            from made_anew
            where
                made_anew.rule_ref = kept_whole.rule_ref
                and made_anew.name = kept_names.name
        )

),

found as (

    select
        asked.match_ref,
        asked.value_use,
        asked.name,
        asked.part,
        asked.alternative,
        asked.value_type,
        asked.personal,
        asked.times_root,
        {{ lf_forwarding_path('entries.value', 'asked') }} as value,
        {{ lf_forwarding_path('factors.value', 'asked', 'times_') }} as factor

    from asked
    inner join entries
        on
            case when asked.root = 'item' then asked.match_ref else asked.event_ref end = entries.entry_of
            and asked.root = entries.root
            and coalesce(asked.key_1, '') = entries.entry_key
    left join entries as factors
        on
            case when asked.times_root = 'item' then asked.match_ref else asked.event_ref end = factors.entry_of
            and asked.times_root = factors.root
            and coalesce(asked.times_key_1, '') = factors.entry_key

    union all

    select
        match_ref,
        value_use,
        name,
        part,
        alternative,
        value_type,
        personal,
        times_root,
        {{ lf_json_of_text('constant') }} as value,
        cast(null as {{ lf_type('json') }}) as factor
    from asked
    where constant is not null

    union all

    select
        match_ref,
        'property' as value_use,
        name,
        0 as part,
        0 as alternative,
        cast(null as {{ lf_type('varchar') }}) as value_type,
        cast(null as {{ lf_type('varchar') }}) as personal,
        cast(null as {{ lf_type('varchar') }}) as times_root,
        value,
        cast(null as {{ lf_type('json') }}) as factor
    from kept

),

multiplied as (

    select
        match_ref,
        value_use,
        name,
        part,
        alternative,
        personal,
        {{ lf_forwarding_read() }}
    from found
    where {{ lf_forwarding_holds('value') }}

),

-- What cannot be made into what the rule asks for is left out, and the next alternative counts.
made as (

    select
        match_ref,
        value_use,
        name,
        part,
        alternative,
        {{ lf_forwarding_made() }} as value
    from multiplied

),

ranked as (

    select
        *,
        row_number() over (
            partition by match_ref, value_use, name, part
            order by alternative
        ) as place
    from made
    where value is not null

),

first_found as (

    select
        match_ref || ':' || value_use || ':' || name || ':' || {{ lf_text('part') }} as value_ref,
        match_ref,
        value_use,
        name,
        part,
        value
    from ranked
    where place = 1

)

select * from first_found
