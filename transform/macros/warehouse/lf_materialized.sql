{#- After `as`: a step that several others read is evaluated once, where a warehouse can be told so. -#}
{% macro lf_materialized() -%}
    {{ return(adapter.dispatch('lf_materialized', 'klaviyo_loop')()) }}
{%- endmacro %}

{% macro default__lf_materialized() -%}
{%- endmacro %}

{% macro duckdb__lf_materialized() -%}
    materialized
{%- endmacro %}

{% macro postgres__lf_materialized() -%}
    materialized
{%- endmacro %}

{% macro redshift__lf_materialized() -%}
{%- endmacro %}
