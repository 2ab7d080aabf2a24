{#- A method of consent as `consent_methods` spells it. -#}
{% macro lf_consent_method(text) -%}
    nullif(replace(replace(lower(trim({{ text }})), ' ', '_'), '-', '_'), '')
{%- endmacro %}
