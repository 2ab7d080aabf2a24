{#- Hours after the first receipt before a verdict: KLAVIYO_LOOP_MINIMUM_HOURS, else the variable `min_hours`. -#}
{% macro lf_min_hours() -%}
    {{ return(env_var('KLAVIYO_LOOP_MINIMUM_HOURS', var('min_hours') | string) | int) }}
{%- endmacro %}
