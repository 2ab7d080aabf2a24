{#- The conditions of a row that has audience_conditions, as text; null when there is none. -#}
{% macro lf_targeting(relation) -%}
    nullif(cast({{ relation }}.audience_conditions as {{ dbt.type_string() }}), '[]')
{%- endmacro %}


{#- Whether there is any. Never null. -#}
{% macro lf_has_conditions(relation) -%}
    ({{ lf_targeting(relation) }} is not null)
{%- endmacro %}
