{#- The salts of a row that has experiment_key, experiment_version and slot_key; they tell experiments, versions and slots apart. -#}

{% macro lf_traffic_salt(relation) -%}
    'traffic-' || {{ relation }}.experiment_key || '-' || {{ lf_text(relation ~ '.experiment_version') }}
{%- endmacro %}


{% macro lf_split_salt(relation) -%}
    'split-' || {{ relation }}.experiment_key || '-' || {{ lf_text(relation ~ '.experiment_version') }}
    || '-' || {{ relation }}.slot_key
{%- endmacro %}
