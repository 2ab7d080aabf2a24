{#- A name as the warehouse holds it that was given without quotes: what is quoted, or compared with what is held, has to be called so. -#}
{% macro lf_stored_name(name) -%}
    {{ return(adapter.dispatch('lf_stored_name', 'klaviyo_loop')(name)) }}
{%- endmacro %}

{% macro default__lf_stored_name(name) -%}
    {{ return(name) }}
{%- endmacro %}

{% macro snowflake__lf_stored_name(name) -%}
    {{ return(name | upper) }}
{%- endmacro %}
