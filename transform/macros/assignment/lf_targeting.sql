{#- The conditions of a row that has audience_conditions, as JSON text; null when there is none. -#}
{% macro lf_targeting(relation) -%}
    nullif({{ lf_json_serialized(relation ~ '.audience_conditions') }}, '[]')
{%- endmacro %}


{#- Whether there is any. Never null. -#}
{% macro lf_has_conditions(relation) -%}
    ({{ lf_targeting(relation) }} is not null)
{%- endmacro %}
