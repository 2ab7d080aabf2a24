{#- The moment of the run as a UTC timestamp; the variable `as_of` sets the clock for a replay or a test. -#}
{% macro lf_now() -%}
    cast({{ lf_literal(lf_variable('as_of') or run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f")) }} as timestamp)
{%- endmacro %}
