{#-
    After `as`: a step that must not be put into the next one. PostgreSQL does so with what is read once, and an expression that is used
    seven times by a step, and that step seven times by the next, would outgrow its memory.
-#}
{% macro lf_fence() -%}
    {{ return(adapter.dispatch('lf_fence', 'klaviyo_loop')()) }}
{%- endmacro %}

{% macro default__lf_fence() -%}
{%- endmacro %}

{% macro postgres__lf_fence() -%}
    materialized
{%- endmacro %}

{% macro redshift__lf_fence() -%}
{%- endmacro %}
