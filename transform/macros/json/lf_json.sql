{#-
    What the project asks of a warehouse's JSON type. One macro per question, so that another engine is one
    implementation each; none but DuckDB's is written yet, and dbt says which is missing.
-#}

{#- The value of a top-level `key` (a Jinja string, taken literally) as text; null when absent or null. -#}
{% macro lf_json_text(document, key) -%}
    {{ return(adapter.dispatch('lf_json_text')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_text(document, key) -%}
    {#- A JSON pointer, because DuckDB reads a key that begins with `$` as a JSON path. -#}
    json_extract_string({{ document }}, '/{{ key | replace("~", "~0") | replace("/", "~1") }}')
{%- endmacro %}


{#- Whether the value of a top-level `key` is true: the boolean, or "true" or 1 as some writers send it. Never null. -#}
{% macro lf_json_is_true(document, key) -%}
    coalesce(lower({{ lf_json_text(document, key) }}) in ('true', '1', '1.0'), false)
{%- endmacro %}


{#- The value of a top-level `key` as a double; null when it is absent, null or no number. -#}
{% macro lf_json_number(document, key) -%}
    {{ return(adapter.dispatch('lf_json_number')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_number(document, key) -%}
    try_cast({{ lf_json_text(document, key) }} as double)
{%- endmacro %}


{#- The value of a top-level key given by the text column `key` of [a-z0-9_], as JSON. -#}
{% macro lf_json_value(document, key) -%}
    {{ return(adapter.dispatch('lf_json_value')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_value(document, key) -%}
    json_extract({{ document }}, '/' || {{ key }})
{%- endmacro %}


{#- Whether a JSON value is JSON's null. -#}
{% macro lf_json_is_null(value) -%}
    {{ return(adapter.dispatch('lf_json_is_null')(value)) }}
{%- endmacro %}

{% macro duckdb__lf_json_is_null(value) -%}
    json_type({{ value }}) = 'NULL'
{%- endmacro %}


{#- In a select list: one row per top-level key of an object that is among `keys`, an aggregate made by lf_text_list. -#}
{% macro lf_json_each_key(document, keys) -%}
    {{ return(adapter.dispatch('lf_json_each_key')(document, keys)) }}
{%- endmacro %}

{% macro duckdb__lf_json_each_key(document, keys) -%}
    {#- Before the unnest: a copy of the document per key is what would cost. -#}
    unnest(list_intersect(json_keys({{ document }}), {{ keys }}))
{%- endmacro %}


{#- Aggregate: the texts, for lf_json_each_key. -#}
{% macro lf_text_list(text) -%}
    {{ return(adapter.dispatch('lf_text_list')(text)) }}
{%- endmacro %}

{% macro duckdb__lf_text_list(text) -%}
    list({{ text }})
{%- endmacro %}


{#- In a select list: one row per element of an array of texts; none for anything else. -#}
{% macro lf_json_each_text(document) -%}
    {{ return(adapter.dispatch('lf_json_each_text')(document)) }}
{%- endmacro %}

{% macro duckdb__lf_json_each_text(document) -%}
    unnest(try_cast({{ document }} as varchar[]))
{%- endmacro %}


{#- A text as a JSON string. -#}
{% macro lf_json_string(text) -%}
    {{ return(adapter.dispatch('lf_json_string')(text)) }}
{%- endmacro %}

{% macro duckdb__lf_json_string(text) -%}
    to_json({{ text }})
{%- endmacro %}


{#- Aggregate: an array of the texts, sorted; null over no row. `condition` limits the rows. -#}
{% macro lf_json_array_agg(text, condition='true') -%}
    {{ return(adapter.dispatch('lf_json_array_agg')(text, condition)) }}
{%- endmacro %}

{% macro duckdb__lf_json_array_agg(text, condition) -%}
    {#- A sorted list is four times as fast as an ordered aggregate. -#}
    to_json(list_sort(list({{ text }}) filter (where {{ condition }})))
{%- endmacro %}


{#- Aggregate: an object of text keys and JSON values, sorted by key; null over no row. `condition` limits the rows. -#}
{% macro lf_json_object_agg(key, value, condition='true') -%}
    {{ return(adapter.dispatch('lf_json_object_agg')(key, value, condition)) }}
{%- endmacro %}

{% macro duckdb__lf_json_object_agg(key, value, condition) -%}
    cast('{' || array_to_string(
        list_sort(list(to_json({{ key }}) || ':' || {{ value }}) filter (where {{ condition }})), ','
    ) || '}' as json)
{%- endmacro %}


{#-
    A text that is equal for two of our values exactly when Klaviyo means the same by them: an array of texts as the set
    of its elements (Klaviyo hands lists back in another order), an object as the set of its entries, a scalar as it is.
-#}
{% macro lf_json_canonical(value) -%}
    {{ return(adapter.dispatch('lf_json_canonical')(value)) }}
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
