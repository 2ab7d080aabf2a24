{#- What targeting conditions ask of a warehouse's JSON type. -#}

{#- In a select list: one row per element of an array, as JSON; none for null. -#}
{% macro lf_json_each_element(document) -%}
    {{ return(adapter.dispatch('lf_json_each_element')(document)) }}
{%- endmacro %}

{% macro duckdb__lf_json_each_element(document) -%}
    unnest(cast({{ document }} as json[]))
{%- endmacro %}


{#- The value of a top-level key given by the text expression `key` (any characters) as text; null when absent or null. -#}
{% macro lf_json_text_at(document, key) -%}
    {{ return(adapter.dispatch('lf_json_text_at')(document, key)) }}
{%- endmacro %}

{% macro duckdb__lf_json_text_at(document, key) -%}
    json_extract_string({{ document }}, '/' || replace(replace({{ key }}, '~', '~0'), '/', '~1'))
{%- endmacro %}


{#- A text as a double; null when it is no number. -#}
{% macro lf_text_number(text) -%}
    {{ return(adapter.dispatch('lf_text_number')(text)) }}
{%- endmacro %}

{% macro duckdb__lf_text_number(text) -%}
    try_cast({{ text }} as double)
{%- endmacro %}
