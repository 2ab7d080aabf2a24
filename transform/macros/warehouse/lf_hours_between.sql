{#- Hours from one timestamp to a later one, with their fraction down to the second. -#}
{% macro lf_hours_between(earlier, later) -%}
    {{ return(adapter.dispatch('lf_hours_between', 'klaviyo_loop')(earlier, later)) }}
{%- endmacro %}

{% macro default__lf_hours_between(earlier, later) -%}
    {{ lf_double('datediff(second, ' ~ earlier ~ ', ' ~ later ~ ')') }} / 3600e0
{%- endmacro %}

{% macro duckdb__lf_hours_between(earlier, later) -%}
    {{ lf_double("date_diff('second', " ~ earlier ~ ", " ~ later ~ ")") }} / 3600e0
{%- endmacro %}

{% macro postgres__lf_hours_between(earlier, later) -%}
    {{ lf_double('extract(epoch from ' ~ later ~ ' - ' ~ earlier ~ ')') }} / 3600e0
{%- endmacro %}

{% macro redshift__lf_hours_between(earlier, later) -%}
    {{ return(default__lf_hours_between(earlier, later)) }}
{%- endmacro %}

{% macro bigquery__lf_hours_between(earlier, later) -%}
    {{ lf_double('timestamp_diff(' ~ later ~ ', ' ~ earlier ~ ', second)') }} / 3600e0
{%- endmacro %}

{% macro trino__lf_hours_between(earlier, later) -%}
    {{ lf_double("date_diff('second', " ~ earlier ~ ", " ~ later ~ ")") }} / 3600e0
{%- endmacro %}
