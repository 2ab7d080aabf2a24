with

events as (

    select * from {{ ref('int_forwarding_events') }}

),

rules as (

    select * from {{ ref('stg_forwarding__rules') }}

),

named as (

    select
        events.event_ref,
        rules.rule
    from events
    inner join rules
        on
            events.definition_key = rules.definition_key
            and events.type = rules.type
            and events.event = rules.event

),

-- A rule for events of any name is for those that no rule names.
of_any_name as (

    select
        events.event_ref,
        rules.rule
    from events
    inner join rules
        on
            events.definition_key = rules.definition_key
            and events.type = rules.type
    where
        rules.event is null
        and not exists (select 1 from named where named.event_ref = events.event_ref)

),

matched as (

    select * from named

    union all

    select * from of_any_name

),

lists as (

    select
        events.event_ref || '#' || {{ lf_text('rules.rule') }} as list_ref,
        {{ lf_forwarding_path(
            "case when rules.per_root = 'context' then " ~ lf_json_value('events.context', 'rules.per_key_1')
            ~ " else " ~ lf_json_value('events.properties', 'rules.per_key_1') ~ " end", 'rules', 'per_'
        ) }} as list

    from events
    inner join matched on events.event_ref = matched.event_ref
    inner join rules
        on
            events.definition_key = rules.definition_key
            and matched.rule = rules.rule
    where rules.per_root is not null

),

elements as (

    {{ lf_json_elements('lists', 'list_ref', 'list', 'item') }}

),

-- By what is the same whenever the event is sent, in whatever order its items then are.
items as (

    select
        list_ref,
        item,
        row_number() over (partition by list_ref order by {{ lf_json_serialized('item') }}) as item_number
    from elements

),

-- Known by its metric, of which a file makes one of an event, and not by the number of its rule, which another rule before it would change.
-- Calls that are no event unless a rule says so are not told as unknown ones.
match_rules as (

    select
        ---------- ids
        events.event_ref || '#' || coalesce(rules.metric, '') || coalesce('#' || {{ lf_text('items.item_number') }}, '') as match_ref,
        events.event_ref,
        events.definition_key,
        events.message_id,

        ---------- texts
        events.type,
        events.event,
        rules.metric,
        case
            when matched.rule is null then 'unnamed'
            when rules.metric is null then 'ignored'
            when rules.per_root is not null and items.list_ref is null then 'no_items'
        end as reason,

        ---------- documents
        items.item,

        ---------- numerics
        coalesce(matched.rule, 0) as rule,

        ---------- booleans
        coalesce(rules.keeps_all, false) as keeps_all,

        ---------- timestamps
        events.occurred_at,
        events.received_at

    from events
    left join matched on events.event_ref = matched.event_ref
    left join rules
        on
            events.definition_key = rules.definition_key
            and matched.rule = rules.rule
    left join items on events.event_ref || '#' || {{ lf_text('matched.rule') }} = items.list_ref
    where
        matched.rule is not null
        or events.type = 'track'

)

select * from match_rules
