{#-
    The configuration of a model whose rows outlive what they tell of: a run replaces those of the versions in `experiments/`, and of an earlier
    version or a deleted experiment the last ones stay, so no run empties the table.

    `on_schema_change` is dbt's: `append_new_columns` where the rows of before may lack a new column, else `fail`.
-#}
{% macro lf_outlives_definition(on_schema_change='fail') -%}
    {%- set key = ['experiment_key', 'experiment_version'] -%}
    {{ return({
        'materialized': 'incremental',
        'incremental_strategy': lf_replace_strategy(),
        'unique_key': key,
        'partition_by': lf_replace_partition(key),
        'full_refresh': false,
        'on_schema_change': on_schema_change,
    }) }}
{%- endmacro %}
