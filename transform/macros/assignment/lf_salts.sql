{#- The salts of a row that has experiment_key, experiment_version and slot_key; they tell experiments, versions and slots apart. -#}

{% macro lf_traffic_salt(relation) -%}
    'traffic-' || {{ relation }}.experiment_key || '-' || cast({{ relation }}.experiment_version as {{ dbt.type_string() }})
{%- endmacro %}


{% macro lf_split_salt(relation) -%}
    'split-' || {{ relation }}.experiment_key || '-' || cast({{ relation }}.experiment_version as {{ dbt.type_string() }})
    || '-' || {{ relation }}.slot_key
{%- endmacro %}
