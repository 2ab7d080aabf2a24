{#-
    How an incremental model replaces the rows of the keys that it computed anew and keeps all others: delete and insert in one
    transaction, or on Spark, whose plain files know no delete, by overwriting just the partitions of those keys.
-#}
{% macro lf_replace_strategy() -%}
    {{ return(adapter.dispatch('lf_replace_strategy', 'klaviyo_loop')()) }}
{%- endmacro %}

{% macro default__lf_replace_strategy() -%}
    {{ return('delete+insert') }}
{%- endmacro %}

{% macro spark__lf_replace_strategy() -%}
    {{ return('insert_overwrite') }}
{%- endmacro %}


{#- The columns by which such a model is partitioned; none but where partitions are what is replaced. -#}
{% macro lf_replace_partition(columns) -%}
    {{ return(adapter.dispatch('lf_replace_partition', 'klaviyo_loop')(columns)) }}
{%- endmacro %}

{% macro default__lf_replace_partition(columns) -%}
    {{ return(none) }}
{%- endmacro %}

{% macro spark__lf_replace_partition(columns) -%}
    {{ return(columns) }}
{%- endmacro %}
