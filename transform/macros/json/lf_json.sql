{#-
    What the project asks of a warehouse's JSON. One macro per question, one implementation per way of writing it.

    A document is of lf_type('json'): JSON on DuckDB, BigQuery and Trino, jsonb on PostgreSQL, variant on Snowflake, super on
    Redshift, text on Spark and Databricks. What a macro calls "JSON" is of that type too. dbt lets Redshift take PostgreSQL's
    form where it has none of its own, and Databricks Spark's.
-#}

{#- An array as JSON, whatever the loader made of it: PostgreSQL's lands an array of texts as text[], one of objects as jsonb[]. -#}
{% macro lf_json_array(column) -%}
    {{ return(adapter.dispatch('lf_json_array', 'klaviyo_loop')(column)) }}
{%- endmacro %}

{% macro default__lf_json_array(column) -%}
    {{ column }}
{%- endmacro %}

{% macro postgres__lf_json_array(column) -%}
    to_jsonb({{ column }})
{%- endmacro %}

{% macro redshift__lf_json_array(column) -%}
    {{ column }}
{%- endmacro %}


{#- The value of a top-level `key` (a Jinja string, taken literally) as text; null when absent or null. -#}
{% macro lf_json_text(document, key) -%}
    {{ return(adapter.dispatch('lf_json_text', 'klaviyo_loop')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_text(document, key) -%}
    {#- A JSON pointer, because DuckDB reads a key that begins with `$` as a JSON path. -#}
    json_extract_string({{ document }}, {{ lf_literal('/' ~ key | replace("~", "~0") | replace("/", "~1")) }})
{%- endmacro %}

{% macro postgres__lf_json_text(document, key) -%}
    ({{ document }} ->> {{ lf_literal(key) }})
{%- endmacro %}

{% macro spark__lf_json_text(document, key) -%}
    get_json_object({{ document }}, {{ lf_literal("$['" ~ key ~ "']") }})
{%- endmacro %}

{% macro snowflake__lf_json_text(document, key) -%}
    cast(get({{ document }}, {{ lf_literal(key) }}) as varchar)
{%- endmacro %}

{% macro bigquery__lf_json_text(document, key) -%}
    lax_string({{ document }}[{{ lf_literal(key) }}])
{%- endmacro %}

{% macro redshift__lf_json_text(document, key) -%}
    json_extract_path_text(json_serialize({{ document }}), {{ lf_literal(key) }}, true)
{%- endmacro %}

{% macro trino__lf_json_text(document, key) -%}
    json_extract_scalar({{ document }}, {{ lf_literal('$["' ~ key ~ '"]') }})
{%- endmacro %}


{#- The value under several keys (Jinja strings of [a-z0-9_]), one in the other, as text; null when absent or null. -#}
{% macro lf_json_text_in(document, keys) -%}
    {{ return(adapter.dispatch('lf_json_text_in', 'klaviyo_loop')(document, keys)) }}
{%- endmacro %}

{% macro default__lf_json_text_in(document, keys) -%}
    {%- set within = namespace(document=document) -%}
    {%- for key in keys[:-1] -%}
        {%- set within.document = lf_json_member(within.document, key) -%}
    {%- endfor -%}
    {{ lf_json_text(within.document, keys[-1]) }}
{%- endmacro %}

{% macro duckdb__lf_json_text_in(document, keys) -%}
    json_extract_string({{ document }}, {{ lf_literal('/' ~ keys | join('/')) }})
{%- endmacro %}

{% macro spark__lf_json_text_in(document, keys) -%}
    get_json_object({{ document }}, {{ lf_literal('$.' ~ keys | join('.')) }})
{%- endmacro %}


{#- The value of a `key` (a Jinja string of [a-z0-9_]) of the first object of an array, as text; null when there is none, or it is null. -#}
{% macro lf_json_first_text(document, key) -%}
    {{ return(adapter.dispatch('lf_json_first_text', 'klaviyo_loop')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_first_text(document, key) -%}
    json_extract_string({{ document }}, {{ lf_literal('/0/' ~ key) }})
{%- endmacro %}

{% macro postgres__lf_json_first_text(document, key) -%}
    ({{ document }} -> 0 ->> {{ lf_literal(key) }})
{%- endmacro %}

{% macro spark__lf_json_first_text(document, key) -%}
    get_json_object({{ document }}, {{ lf_literal('$[0].' ~ key) }})
{%- endmacro %}

{% macro snowflake__lf_json_first_text(document, key) -%}
    cast(get(get({{ document }}, 0), {{ lf_literal(key) }}) as varchar)
{%- endmacro %}

{% macro bigquery__lf_json_first_text(document, key) -%}
    lax_string({{ document }}[0][{{ lf_literal(key) }}])
{%- endmacro %}

{% macro redshift__lf_json_first_text(document, key) -%}
    json_extract_path_text(json_serialize({{ document }}[0]), {{ lf_literal(key) }}, true)
{%- endmacro %}

{% macro trino__lf_json_first_text(document, key) -%}
    json_extract_scalar({{ document }}, {{ lf_literal('$[0]["' ~ key ~ '"]') }})
{%- endmacro %}


{#- Whether the value of a top-level `key` is true, as `lf_boolean` reads it. Never null. -#}
{% macro lf_json_is_true(document, key) -%}
    coalesce({{ lf_boolean(lf_json_text(document, key)) }}, false)
{%- endmacro %}


{#- The value of a top-level key given by the text expression `key` (any characters) as text; null when absent or null. -#}
{% macro lf_json_text_at(document, key) -%}
    {{ return(adapter.dispatch('lf_json_text_at', 'klaviyo_loop')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_text_at(document, key) -%}
    json_extract_string({{ document }}, {{ lf_json_pointer(key) }})
{%- endmacro %}

{% macro postgres__lf_json_text_at(document, key) -%}
    ({{ document }} ->> {{ key }})
{%- endmacro %}

{% macro spark__lf_json_text_at(document, key) -%}
    try_element_at(from_json({{ document }}, 'map<string, string>'), {{ key }})
{%- endmacro %}

{% macro snowflake__lf_json_text_at(document, key) -%}
    cast(get({{ document }}, {{ key }}) as varchar)
{%- endmacro %}

{% macro bigquery__lf_json_text_at(document, key) -%}
    lax_string({{ document }}[{{ key }}])
{%- endmacro %}

{% macro redshift__lf_json_text_at(document, key) -%}
    json_extract_path_text(json_serialize({{ document }}), {{ key }}, true)
{%- endmacro %}

{% macro trino__lf_json_text_at(document, key) -%}
    json_extract_scalar(element_at(try_cast({{ document }} as map(varchar, json)), {{ key }}), '$')
{%- endmacro %}


{#- The value of a top-level `key` (a Jinja string of [a-z0-9_]), as JSON; null when absent. -#}
{% macro lf_json_member(document, key) -%}
    {{ return(adapter.dispatch('lf_json_member', 'klaviyo_loop')(document, key)) }}
{%- endmacro %}

{% macro default__lf_json_member(document, key) -%}
    {{ lf_json_value(document, lf_literal(key)) }}
{%- endmacro %}

{% macro redshift__lf_json_member(document, key) -%}
    {{ document }}.{{ adapter.quote(key) }}
{%- endmacro %}


{#- The value of a top-level key given by the text expression `key` (any characters), as JSON; null when absent. -#}
{% macro lf_json_value(document, key) -%}
    {{ return(adapter.dispatch('lf_json_value', 'klaviyo_loop')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_value(document, key) -%}
    json_extract({{ document }}, {{ lf_json_pointer(key) }})
{%- endmacro %}

{#- The JSON pointer to a top-level key of any characters. -#}
{% macro lf_json_pointer(key) -%}
    '/' || replace(replace({{ key }}, '~', '~0'), '/', '~1')
{%- endmacro %}

{% macro postgres__lf_json_value(document, key) -%}
    ({{ document }} -> {{ key }})
{%- endmacro %}

{% macro spark__lf_json_value(document, key) -%}
    to_json(try_element_at(try_cast(try_parse_json({{ document }}) as map<string, variant>), {{ key }}))
{%- endmacro %}

{% macro snowflake__lf_json_value(document, key) -%}
    get({{ document }}, {{ key }})
{%- endmacro %}

{% macro bigquery__lf_json_value(document, key) -%}
    {{ document }}[{{ key }}]
{%- endmacro %}

{% macro trino__lf_json_value(document, key) -%}
    element_at(try_cast({{ document }} as map(varchar, json)), {{ key }})
{%- endmacro %}


{#- Whether a JSON value is JSON's null. -#}
{% macro lf_json_is_null(value) -%}
    {{ return(adapter.dispatch('lf_json_is_null', 'klaviyo_loop')(value)) }}
{%- endmacro %}

{% macro default__lf_json_is_null(value) -%}
    {{ lf_json_serialized(value) }} = 'null'
{%- endmacro %}

{% macro snowflake__lf_json_is_null(value) -%}
    is_null_value({{ value }})
{%- endmacro %}


{#- A JSON value as JSON text. -#}
{% macro lf_json_serialized(value) -%}
    {{ return(adapter.dispatch('lf_json_serialized', 'klaviyo_loop')(value)) }}
{%- endmacro %}

{% macro default__lf_json_serialized(value) -%}
    cast({{ value }} as {{ lf_type('varchar') }})
{%- endmacro %}

{% macro snowflake__lf_json_serialized(value) -%}
    to_json({{ value }})
{%- endmacro %}

{% macro bigquery__lf_json_serialized(value) -%}
    to_json_string({{ value }})
{%- endmacro %}

{% macro redshift__lf_json_serialized(value) -%}
    json_serialize({{ value }})
{%- endmacro %}

{% macro trino__lf_json_serialized(value) -%}
    json_format({{ value }})
{%- endmacro %}


{#-
    A query: `id` of each row of the CTE `documents`, each text of the column `key` of the CTE `keys` that is a top-level key of
    the row's `document`, and its value, JSON.
-#}
{% macro lf_json_entries(documents, id, document, keys, key) -%}
    {{ return(adapter.dispatch('lf_json_entries', 'klaviyo_loop')(documents, id, document, keys, key)) }}
{%- endmacro %}

{% macro default__lf_json_entries(documents, id, document, keys, key) -%}
    {%- set value = lf_json_value(documents ~ '.' ~ document, keys ~ '.' ~ key) -%}
    select
        {{ documents }}.{{ id }},
        {{ keys }}.{{ key }},
        {{ value }} as value

    from {{ documents }}
    cross join {{ keys }}
    where {{ value }} is not null
{%- endmacro %}

{% macro duckdb__lf_json_entries(documents, id, document, keys, key) -%}
    {#- The keys are compared as lists, before the unnest: a copy of the document per key is what would cost. -#}
    select
        {{ id }},
        {{ key }},
        {{ lf_json_value(document, key) }} as value

    from (
        select
            {{ documents }}.{{ id }},
            {{ documents }}.{{ document }},
            unnest(list_intersect(json_keys({{ documents }}.{{ document }}), listed.texts)) as {{ key }}

        from {{ documents }}
        cross join (select list({{ key }}) as texts from {{ keys }}) as listed
    ) as found
{%- endmacro %}

{% macro redshift__lf_json_entries(documents, id, document, keys, key) -%}
    {#- A key of super cannot come from a column, so the document is turned into rows. -#}
    select
        {{ documents }}.{{ id }},
        {{ keys }}.{{ key }},
        entry as value

    from {{ documents }}, unpivot {{ documents }}.{{ document }} as entry at entry_key, {{ keys }}
    where entry_key = {{ keys }}.{{ key }}
{%- endmacro %}


{#- A query: `id` and each text, as `text`, of the array `document` of the CTE `documents`; none for anything but an array. -#}
{% macro lf_json_texts(documents, id, document, text) -%}
    {{ return(adapter.dispatch('lf_json_texts', 'klaviyo_loop')(documents, id, document, text)) }}
{%- endmacro %}

{% macro duckdb__lf_json_texts(documents, id, document, text) -%}
    select
        {{ id }},
        unnest(try_cast({{ document }} as varchar[])) as {{ text }}

    from {{ documents }}
{%- endmacro %}

{% macro postgres__lf_json_texts(documents, id, document, text) -%}
    select
        {{ documents }}.{{ id }},
        elements.{{ text }}

    from {{ documents }}
    cross join lateral jsonb_array_elements_text(
        case when jsonb_typeof({{ documents }}.{{ document }}) = 'array' then {{ documents }}.{{ document }} else '[]' end
    ) as elements ({{ text }})
{%- endmacro %}

{% macro spark__lf_json_texts(documents, id, document, text) -%}
    select
        {{ id }},
        explode(from_json({{ document }}, 'array<string>')) as {{ text }}

    from {{ documents }}
{%- endmacro %}

{% macro snowflake__lf_json_texts(documents, id, document, text) -%}
    select
        {{ documents }}.{{ id }},
        cast(elements.value as varchar) as {{ text }}

    from {{ documents }},
        lateral flatten(input => as_array({{ documents }}.{{ document }})) as elements
{%- endmacro %}

{% macro bigquery__lf_json_texts(documents, id, document, text) -%}
    select
        {{ documents }}.{{ id }},
        {{ text }}

    from {{ documents }}
    cross join unnest(json_value_array({{ documents }}.{{ document }})) as {{ text }}
{%- endmacro %}

{% macro redshift__lf_json_texts(documents, id, document, text) -%}
    select
        {{ documents }}.{{ id }},
        cast(elements as varchar(65535)) as {{ text }}

    from {{ documents }}, {{ documents }}.{{ document }} as elements
{%- endmacro %}

{% macro trino__lf_json_texts(documents, id, document, text) -%}
    select
        {{ documents }}.{{ id }},
        elements.{{ text }}

    from {{ documents }}
    cross join unnest(try_cast({{ documents }}.{{ document }} as array(varchar))) as elements ({{ text }})
{%- endmacro %}


{#- A query: `id` and each element, JSON, of the array `document` of the CTE `documents`; none for anything but an array. -#}
{% macro lf_json_elements(documents, id, document, element) -%}
    {{ return(adapter.dispatch('lf_json_elements', 'klaviyo_loop')(documents, id, document, element)) }}
{%- endmacro %}

{% macro duckdb__lf_json_elements(documents, id, document, element) -%}
    select
        {{ id }},
        unnest(try_cast({{ document }} as json[])) as {{ element }}

    from {{ documents }}
{%- endmacro %}

{% macro postgres__lf_json_elements(documents, id, document, element) -%}
    select
        {{ documents }}.{{ id }},
        elements.{{ element }}

    from {{ documents }}
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof({{ documents }}.{{ document }}) = 'array' then {{ documents }}.{{ document }} else '[]' end
    ) as elements ({{ element }})
{%- endmacro %}

{% macro spark__lf_json_elements(documents, id, document, element) -%}
    {#- Texts lose their quotes; objects and arrays stay as they are. -#}
    {{ spark__lf_json_texts(documents, id, document, element) }}
{%- endmacro %}

{% macro snowflake__lf_json_elements(documents, id, document, element) -%}
    select
        {{ documents }}.{{ id }},
        elements.value as {{ element }}

    from {{ documents }},
        lateral flatten(input => as_array({{ documents }}.{{ document }})) as elements
{%- endmacro %}

{% macro bigquery__lf_json_elements(documents, id, document, element) -%}
    select
        {{ documents }}.{{ id }},
        {{ element }}

    from {{ documents }}
    cross join unnest(json_query_array({{ documents }}.{{ document }})) as {{ element }}
{%- endmacro %}

{% macro redshift__lf_json_elements(documents, id, document, element) -%}
    select
        {{ documents }}.{{ id }},
        {{ element }}

    from {{ documents }}, {{ documents }}.{{ document }} as {{ element }}
{%- endmacro %}

{% macro trino__lf_json_elements(documents, id, document, element) -%}
    select
        {{ documents }}.{{ id }},
        elements.{{ element }}

    from {{ documents }}
    cross join unnest(try_cast({{ documents }}.{{ document }} as array(json))) as elements ({{ element }})
{%- endmacro %}


{#- A query: `id` and each top-level key, as `key`, of the object `document` of the CTE `documents`; none for anything but an object. -#}
{% macro lf_json_keys(documents, id, document, key) -%}
    {{ return(adapter.dispatch('lf_json_keys', 'klaviyo_loop')(documents, id, document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_keys(documents, id, document, key) -%}
    select
        {{ id }},
        unnest(json_keys({{ document }})) as {{ key }}

    from {{ documents }}
{%- endmacro %}

{% macro postgres__lf_json_keys(documents, id, document, key) -%}
    select
        {{ documents }}.{{ id }},
        members.{{ key }}

    from {{ documents }}
    cross join lateral jsonb_object_keys(
        case when jsonb_typeof({{ documents }}.{{ document }}) = 'object' then {{ documents }}.{{ document }} else '{}' end
    ) as members ({{ key }})
{%- endmacro %}

{% macro spark__lf_json_keys(documents, id, document, key) -%}
    select
        {{ id }},
        explode(json_object_keys({{ document }})) as {{ key }}

    from {{ documents }}
{%- endmacro %}

{% macro snowflake__lf_json_keys(documents, id, document, key) -%}
    select
        {{ documents }}.{{ id }},
        members.key as {{ key }}

    from {{ documents }},
        lateral flatten(input => {{ documents }}.{{ document }}, mode => 'OBJECT') as members
{%- endmacro %}

{% macro bigquery__lf_json_keys(documents, id, document, key) -%}
    select
        {{ documents }}.{{ id }},
        {{ key }}

    from {{ documents }}
    cross join unnest(json_keys({{ documents }}.{{ document }}, 1)) as {{ key }}
{%- endmacro %}

{% macro redshift__lf_json_keys(documents, id, document, key) -%}
    select
        {{ documents }}.{{ id }},
        {{ key }}

    from {{ documents }}, unpivot {{ documents }}.{{ document }} as member at {{ key }}
{%- endmacro %}

{% macro trino__lf_json_keys(documents, id, document, key) -%}
    select
        {{ documents }}.{{ id }},
        members.{{ key }}

    from {{ documents }}
    cross join unnest(map_keys(try_cast({{ documents }}.{{ document }} as map(varchar, json)))) as members ({{ key }})
{%- endmacro %}


{#- Aggregate: an array of JSON values in the order of `place`, which are whole numbers. -#}
{% macro lf_json_values_agg(value, place) -%}
    {{ return(adapter.dispatch('lf_json_values_agg', 'klaviyo_loop')(value, place)) }}
{%- endmacro %}

{% macro duckdb__lf_json_values_agg(value, place) -%}
    to_json(list({{ value }} order by {{ place }}))
{%- endmacro %}

{% macro postgres__lf_json_values_agg(value, place) -%}
    jsonb_agg({{ value }} order by {{ place }})
{%- endmacro %}

{% macro spark__lf_json_values_agg(value, place) -%}
    '[' || array_join(transform(array_sort(collect_list(struct({{ place }} as place, {{ value }} as value))), each -> each.value), ',') || ']'
{%- endmacro %}

{% macro snowflake__lf_json_values_agg(value, place) -%}
    to_variant(array_agg({{ value }}) within group (order by {{ place }}))
{%- endmacro %}

{% macro bigquery__lf_json_values_agg(value, place) -%}
    to_json(array_agg({{ value }} order by {{ place }}))
{%- endmacro %}

{% macro redshift__lf_json_values_agg(value, place) -%}
    json_parse('[' || listagg(json_serialize({{ value }}), ',') within group (order by {{ place }}) || ']')
{%- endmacro %}

{% macro trino__lf_json_values_agg(value, place) -%}
    cast(array_agg({{ value }} order by {{ place }}) as json)
{%- endmacro %}


{#- A text as a JSON string. -#}
{% macro lf_json_string(text) -%}
    {{ return(adapter.dispatch('lf_json_string', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro default__lf_json_string(text) -%}
    to_json({{ text }})
{%- endmacro %}

{% macro postgres__lf_json_string(text) -%}
    to_jsonb({{ text }})
{%- endmacro %}

{% macro spark__lf_json_string(text) -%}
    to_json(cast({{ text }} as variant))
{%- endmacro %}

{% macro snowflake__lf_json_string(text) -%}
    to_variant({{ text }})
{%- endmacro %}

{% macro redshift__lf_json_string(text) -%}
    cast({{ text }} as super)
{%- endmacro %}

{% macro trino__lf_json_string(text) -%}
    cast({{ text }} as json)
{%- endmacro %}


{#- Aggregate: an array of the texts, sorted by their bytes; null over no row. `condition` limits the rows. -#}
{% macro lf_json_array_agg(text, condition='true') -%}
    {{ return(adapter.dispatch('lf_json_array_agg', 'klaviyo_loop')(text, condition)) }}
{%- endmacro %}

{% macro duckdb__lf_json_array_agg(text, condition) -%}
    {#- A sorted list is four times as fast as an ordered aggregate. -#}
    to_json(list_sort(list({{ text }}) filter (where {{ condition }})))
{%- endmacro %}

{% macro postgres__lf_json_array_agg(text, condition) -%}
    jsonb_agg({{ text }} order by {{ text }} collate "C") filter (where {{ condition }})
{%- endmacro %}

{% macro spark__lf_json_array_agg(text, condition) -%}
    to_json(nullif(
        sort_array(collect_list({{ text }}) filter (where {{ condition }})), cast(array() as array<string>)
    ))
{%- endmacro %}

{% macro snowflake__lf_json_array_agg(text, condition) -%}
    to_variant(nullif(
        array_agg(case when {{ condition }} then {{ text }} end)
            within group (order by case when {{ condition }} then {{ text }} end),
        array_construct()
    ))
{%- endmacro %}

{% macro bigquery__lf_json_array_agg(text, condition) -%}
    case
        when countif({{ condition }}) > 0
            then to_json(array_agg(if({{ condition }}, {{ text }}, null) ignore nulls order by if({{ condition }}, {{ text }}, null)))
    end
{%- endmacro %}

{% macro redshift__lf_json_array_agg(text, condition) -%}
    json_parse(
        '[' || listagg(case when {{ condition }} then json_serialize(cast({{ text }} as super)) end, ',')
            within group (order by case when {{ condition }} then {{ text }} end) || ']'
    )
{%- endmacro %}

{% macro trino__lf_json_array_agg(text, condition) -%}
    cast(array_agg({{ text }} order by {{ text }}) filter (where {{ condition }}) as json)
{%- endmacro %}


{#- Aggregate: an object of text keys and JSON values, sorted by key; null over no row. `condition` limits the rows. -#}
{% macro lf_json_object_agg(key, value, condition='true') -%}
    {{ return(adapter.dispatch('lf_json_object_agg', 'klaviyo_loop')(key, value, condition)) }}
{%- endmacro %}

{% macro duckdb__lf_json_object_agg(key, value, condition) -%}
    cast('{' || array_to_string(
        list_sort(list(to_json({{ key }}) || ':' || {{ value }}) filter (where {{ condition }})), ','
    ) || '}' as json)
{%- endmacro %}

{% macro postgres__lf_json_object_agg(key, value, condition) -%}
    jsonb_object_agg({{ key }}, {{ value }}) filter (where {{ condition }})
{%- endmacro %}

{% macro spark__lf_json_object_agg(key, value, condition) -%}
    case
        when count_if({{ condition }}) > 0
            then '{' || array_join(sort_array(
                collect_list({{ lf_json_string(key) }} || ':' || {{ value }}) filter (where {{ condition }})
            ), ',') || '}'
    end
{%- endmacro %}

{% macro snowflake__lf_json_object_agg(key, value, condition) -%}
    to_variant(nullif(
        object_agg(case when {{ condition }} then {{ key }} end, case when {{ condition }} then {{ value }} end),
        object_construct()
    ))
{%- endmacro %}

{% macro bigquery__lf_json_object_agg(key, value, condition) -%}
    case
        when countif({{ condition }}) > 0
            then json_object(
                array_agg(if({{ condition }}, {{ key }}, null) ignore nulls order by {{ key }}),
                array_agg(if({{ condition }}, {{ value }}, null) ignore nulls order by {{ key }})
            )
    end
{%- endmacro %}

{% macro redshift__lf_json_object_agg(key, value, condition) -%}
    json_parse(
        '{' || listagg(
            case when {{ condition }} then json_serialize(cast({{ key }} as super)) || ':' || json_serialize({{ value }}) end, ','
        ) within group (order by {{ key }}) || '}'
    )
{%- endmacro %}

{% macro trino__lf_json_object_agg(key, value, condition) -%}
    cast(map_agg({{ key }}, {{ value }}) filter (where {{ condition }}) as json)
{%- endmacro %}


{#-
    A text that is equal for two of our values exactly when Klaviyo means the same by them: an array of texts as the set
    of its elements (Klaviyo hands lists back in another order), an object as the set of its entries, a scalar as it is.
-#}
{% macro lf_json_canonical(value) -%}
    {{ return(adapter.dispatch('lf_json_canonical', 'klaviyo_loop')(value)) }}
{%- endmacro %}

{% macro duckdb__lf_json_canonical(value) -%}
    {#- list_distinct drops nulls, so an array that holds one counts them. -#}
    case json_type({{ value }})
        when 'ARRAY' then cast(list_sort(list_distinct(cast({{ value }} as varchar[]))) as varchar)
            || ' and nulls: ' || len(cast({{ value }} as varchar[])) - list_count(cast({{ value }} as varchar[]))
        when 'OBJECT' then cast(list_sort(map_entries(cast({{ value }} as map(varchar, json)))) as varchar)
        else cast({{ value }} as varchar)
    end
{%- endmacro %}

{% macro postgres__lf_json_canonical(value) -%}
    {#- An object of type jsonb has its keys in order already. -#}
    case jsonb_typeof({{ value }})
        when 'array' then (
            select coalesce(cast(jsonb_agg(distinct elements.element) as text), '[]')
            from jsonb_array_elements({{ value }}) as elements (element)
        )
        else cast({{ value }} as text)
    end
{%- endmacro %}

{% macro spark__lf_json_canonical(value) -%}
    {#- A variant has the keys of an object in order. -#}
    case
        when {{ value }} like '[%' then to_json(sort_array(array_distinct(from_json({{ value }}, 'array<string>'))))
        else to_json(try_parse_json({{ value }}))
    end
{%- endmacro %}

{% macro snowflake__lf_json_canonical(value) -%}
    {#- to_json gives the keys of an object in order. -#}
    to_json(case when is_array({{ value }}) then array_sort(array_distinct(as_array({{ value }}))) else {{ value }} end)
{%- endmacro %}

{% macro bigquery__lf_json_canonical(value) -%}
    {#- Type JSON keeps the keys of an object in order. -#}
    case json_type({{ value }})
        when 'array' then (
            select coalesce(string_agg(distinct to_json_string(element), ',' order by to_json_string(element)), '')
            from unnest(json_query_array({{ value }})) as element
        )
        else to_json_string({{ value }})
    end
{%- endmacro %}

{% macro redshift__lf_json_canonical(value) -%}
    {#- Neither arrays nor objects can be sorted inside an expression: the same set in another order is written once more. -#}
    json_serialize({{ value }})
{%- endmacro %}

{% macro trino__lf_json_canonical(value) -%}
    {#- Type JSON has the keys of an object in order. -#}
    coalesce(
        json_format(cast(array_sort(array_distinct(try_cast({{ value }} as array(json)))) as json)), json_format({{ value }})
    )
{%- endmacro %}


{#- What a JSON scalar says, as text: a string without its quotes. Of an object or an array whatever the warehouse makes of it. -#}
{% macro lf_json_scalar(value) -%}
    {{ return(adapter.dispatch('lf_json_scalar', 'klaviyo_loop')(value)) }}
{%- endmacro %}

{% macro duckdb__lf_json_scalar(value) -%}
    ({{ value }} ->> '$')
{%- endmacro %}

{% macro postgres__lf_json_scalar(value) -%}
    ({{ value }} #>> '{}')
{%- endmacro %}

{% macro spark__lf_json_scalar(value) -%}
    get_json_object('[' || {{ value }} || ']', '$[0]')
{%- endmacro %}

{% macro snowflake__lf_json_scalar(value) -%}
    cast({{ value }} as varchar)
{%- endmacro %}

{% macro bigquery__lf_json_scalar(value) -%}
    lax_string({{ value }})
{%- endmacro %}

{% macro redshift__lf_json_scalar(value) -%}
    json_extract_array_element_text('[' || json_serialize({{ value }}) || ']', 0)
{%- endmacro %}

{% macro trino__lf_json_scalar(value) -%}
    json_extract_scalar({{ value }}, '$')
{%- endmacro %}


{#- A text that is JSON, as JSON; only for texts that this project's taps have checked. -#}
{% macro lf_json_of_text(text) -%}
    {{ return(adapter.dispatch('lf_json_of_text', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro default__lf_json_of_text(text) -%}
    cast({{ text }} as {{ lf_type('json') }})
{%- endmacro %}

{% macro snowflake__lf_json_of_text(text) -%}
    parse_json({{ text }})
{%- endmacro %}

{% macro bigquery__lf_json_of_text(text) -%}
    parse_json({{ text }})
{%- endmacro %}

{% macro redshift__lf_json_of_text(text) -%}
    json_parse({{ text }})
{%- endmacro %}

{% macro trino__lf_json_of_text(text) -%}
    json_parse({{ text }})
{%- endmacro %}
