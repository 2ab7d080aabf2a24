{#-
    A query: the list or segment that each row of a relation names by its id or its name. Ids are unique, names are not: an id that matches settles
    it, a name must match once.

    `key` are the columns that identify a row of `relation`, `type` and `name` those with the type (`list` or `segment`) and the id or name; `groups`
    is the relation int_account_groups. Returned beside the key: `group_id`, `member_count` and `snapshot_at`, null where none is found, and
    `resolution`: `found`, `not_read` (no complete reading of its members yet), `not_found` or `ambiguous`.
-#}
{% macro lf_find_group(relation, key, type, name, groups) -%}
    {%- set row = relation ~ '.' ~ key | join(', ' ~ relation ~ '.') -%}
    with

    matches as (

        select
            {{ row }},
            count({{ groups }}.group_id) as matches,
            max(case when {{ groups }}.group_id = {{ relation }}.{{ name }} then {{ groups }}.group_id end) as matched_by_id,
            min({{ groups }}.group_id) as matched_by_name,
            max({{ relation }}.{{ type }}) as group_type

        from {{ relation }}
        left join {{ groups }}
            on
                {{ relation }}.{{ type }} = {{ groups }}.group_type
                and ({{ relation }}.{{ name }} = {{ groups }}.group_id or {{ relation }}.{{ name }} = {{ groups }}.group_name)
        group by {{ row }}

    ),

    settle as (

        select
            *,
            coalesce(matched_by_id, case when matches = 1 then matched_by_name end) as group_id

        from matches

    )

    select
        settle.{{ key | join(', settle.') }},
        settle.group_id,
        {{ groups }}.member_count,
        {{ groups }}.snapshot_at,
        case
            when {{ groups }}.snapshot_at is not null then 'found'
            when settle.group_id is not null then 'not_read'
            when settle.matches = 0 then 'not_found'
            else 'ambiguous'
        end as resolution

    from settle
    left join {{ groups }}
        on
            settle.group_type = {{ groups }}.group_type
            and settle.group_id = {{ groups }}.group_id
{%- endmacro %}
