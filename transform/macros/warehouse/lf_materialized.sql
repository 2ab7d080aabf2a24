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


{#- After `as`: a step that several others read, of which all but one find nothing, is evaluated in each of them. Kept aside, its rows would be copied. -#}
{% macro lf_repeated() -%}
    {{ return(adapter.dispatch('lf_repeated', 'klaviyo_loop')()) }}
{%- endmacro %}

{% macro default__lf_repeated() -%}
{%- endmacro %}

{% macro duckdb__lf_repeated() -%}
    not materialized
{%- endmacro %}
