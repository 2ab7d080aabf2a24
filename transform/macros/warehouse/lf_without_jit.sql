{#-
    What a session is told before a statement. PostgreSQL compiles a statement that it takes for expensive (`jit`, on by default): conditions that are written
    out for every type take minutes to compile and milliseconds to evaluate. A server without the setting is told nothing.
-#}
{% macro lf_without_jit() -%}
    {{ return(adapter.dispatch('lf_without_jit', 'klaviyo_loop')()) }}
{%- endmacro %}

{% macro default__lf_without_jit() -%}
{%- endmacro %}

{% macro postgres__lf_without_jit() -%}
    select set_config(name, 'off', false) from pg_settings where name = 'jit'
{%- endmacro %}

{% macro redshift__lf_without_jit() -%}
{%- endmacro %}
