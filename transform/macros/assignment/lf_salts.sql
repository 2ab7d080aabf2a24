{#-
    The salts of a row that has experiment_key, experiment_version, group_key and what the macro names. They tell experiments,
    versions and slots apart; experiments of one group share those of traffic and split.
-#}

{% macro lf_layer_salt(relation) -%}
    'layer-' || {{ relation }}.layer_name
{%- endmacro %}


{% macro lf_global_holdout_salt(relation) -%}
    'holdout-global-' || {{ lf_text(relation ~ '.global_holdout_version') }}
{%- endmacro %}


{% macro lf_holdout_salt(relation) -%}
    'holdout-' || {{ relation }}.experiment_key || '-' || {{ lf_text(relation ~ '.experiment_version') }}
{%- endmacro %}


{% macro lf_traffic_salt(relation) -%}
    'traffic-' || coalesce({{ relation }}.group_key, {{ relation }}.experiment_key)
    || '-' || {{ lf_text(relation ~ '.experiment_version') }}
{%- endmacro %}


{#- `salt_try` is the balanced try; 0 leaves the salt as it is. -#}
{% macro lf_split_salt(relation, slot_key, salt_try) -%}
    'split-' || coalesce({{ relation }}.group_key, {{ relation }}.experiment_key)
    || '-' || {{ lf_text(relation ~ '.experiment_version') }}
    || '-' || {{ slot_key }}
    || case when {{ salt_try }} > 0 then '-t' || {{ lf_text(salt_try) }} else '' end
{%- endmacro %}
