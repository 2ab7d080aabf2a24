with

found_values as (

    select * from {{ ref('int_forwarding_values') }}

),

matches as (

    select * from {{ ref('int_forwarding_matches') }}

),

all_places as (

    select * from {{ ref('stg_forwarding__values') }}

),

places as (

    select *
    from all_places
    where value_use = 'item'

),

lists as (

    select
        found_values.value_ref,
        found_values.name,
        found_values.value as list,
        matches.definition_key,
        matches.rule

    from found_values
    inner join matches on found_values.match_ref = matches.match_ref
    where found_values.value_use = 'property'

),

asked_lists as (

    select *
    from lists
    where exists (
        select 1
        from places
        where
            places.definition_key = lists.definition_key
            and places.rule = lists.rule
            and places.parent = lists.name
    )

),

list_elements as (

    {{ lf_json_elements('asked_lists', 'value_ref', 'list', 'element') }}

),

elements as (

    select
        value_ref,
        element,
        value_ref || '[' || {{ lf_text('element_number') }} || ']' as element_ref,
        element_number
    from (
        select
            *,
            row_number() over (partition by value_ref order by {{ lf_json_serialized('element') }}) as element_number
        from list_elements
    ) as numbered

),

item_keys as (

    select distinct *
    from (
        select key_1 as entry_key
        from places
        where key_1 is not null

        union all

        select times_key_1 as entry_key
        from places
        where times_key_1 is not null
    ) as told_twice

),

of_elements as (

    {{ lf_json_entries('elements', 'element_ref', 'element', 'item_keys', 'entry_key') }}

),

entries as (

    select
        element_ref,
        entry_key,
        value
    from of_elements

    union all

    select
        element_ref,
        '' as entry_key,
        element as value
    from elements

),

asked as (

    select
        elements.element_ref,
        places.*

    from elements
    inner join asked_lists on elements.value_ref = asked_lists.value_ref
    inner join places
        on
            asked_lists.definition_key = places.definition_key
            and asked_lists.rule = places.rule
            and asked_lists.name = places.parent

),

found as (

    select
        asked.element_ref,
        asked.name,
        asked.alternative,
        asked.value_type,
        asked.personal,
        asked.times_root,
        {{ lf_forwarding_path('entries.value', 'asked') }} as value,
        {{ lf_forwarding_path('factors.value', 'asked', 'times_') }} as factor

    from asked
    inner join entries
        on
            asked.element_ref = entries.element_ref
            and coalesce(asked.key_1, '') = entries.entry_key
    left join entries as factors
        on
            asked.element_ref = factors.element_ref
            and asked.times_root is not null
            and coalesce(asked.times_key_1, '') = factors.entry_key
    where asked.root = 'item'

    union all

    select
        element_ref,
        name,
        alternative,
        value_type,
        personal,
        times_root,
        {{ lf_json_of_text('constant') }} as value,
        cast(null as {{ lf_type('json') }}) as factor
    from asked
    where constant is not null

),

multiplied as (

    select
        element_ref,
        name,
        alternative,
        personal,
        {{ lf_forwarding_read() }}
    from found
    where {{ lf_forwarding_holds('value') }}

),

made as (

    select
        element_ref,
        name,
        alternative,
        {{ lf_forwarding_made() }} as value
    from multiplied

),

ranked as (

    select
        *,
        row_number() over (partition by element_ref, name order by alternative) as place
    from made
    where value is not null

),

-- A member without a name is what the item itself becomes.
objects as (

    select
        element_ref,
        {{ lf_json_object_agg('name', 'value') }} as item
    from ranked
    where
        place = 1
        and name <> ''
    group by element_ref

),

made_items as (

    select
        element_ref,
        item
    from objects

    union all

    select
        element_ref,
        value as item
    from ranked
    where
        place = 1
        and name = ''

),

made_lists as (

    select
        elements.value_ref,
        {{ lf_json_values_agg('made_items.item', 'elements.element_number') }} as value

    from elements
    inner join made_items on elements.element_ref = made_items.element_ref
    group by elements.value_ref

),

-- A list of which nothing is left is not sent as it was.
all_lists as (

    select
        asked_lists.value_ref,
        made_lists.value

    from asked_lists
    left join made_lists on asked_lists.value_ref = made_lists.value_ref

)

select * from all_lists
