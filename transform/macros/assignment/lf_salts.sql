{#-
    The salts of a row that has experiment_key, experiment_version, group_key and what the macro names. They tell experiments,
    versions and slots apart; experiments of one group share those of traffic and split.
-#}

{% macro lf_layer_salt(relation) -%}
    'layer-' || {{ relation }}.layer_name
{%- endmacro %}


{% macro lf_global_holdout_salt(relation) -%}
    'holdout-global-' || cast({{ relation }}.global_holdout_version as {{ dbt.type_string() }})
{%- endmacro %}


{% macro lf_holdout_salt(relation) -%}
    'holdout-' || {{ relation }}.experiment_key || '-' || cast({{ relation }}.experiment_version as {{ dbt.type_string() }})
{%- endmacro %}


{% macro lf_traffic_salt(relation) -%}
    'traffic-' || coalesce({{ relation }}.group_key, {{ relation }}.experiment_key)
    || '-' || cast({{ relation }}.experiment_version as {{ dbt.type_string() }})
{%- endmacro %}


{#- `salt_try` is the balanced try; 0 leaves the salt as it is. -#}
{% macro lf_split_salt(relation, slot_key, salt_try) -%}
    'split-' || coalesce({{ relation }}.group_key, {{ relation }}.experiment_key)
    || '-' || cast({{ relation }}.experiment_version as {{ dbt.type_string() }})
    || '-' || {{ slot_key }}
    || case when {{ salt_try }} > 0 then '-t' || cast({{ salt_try }} as {{ dbt.type_string() }}) else '' end
{%- endmacro %}
