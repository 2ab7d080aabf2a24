{#-
    For a `pre_hook`: takes those rows out of a table that should never have got there, which an earlier version of the project wrote and no run makes anew. Where there
    are none, nothing.
-#}
{% macro lf_delete_rows(relation, condition) -%}
    {%- if execute and run_query('select 1 as found from ' ~ relation ~ ' where ' ~ condition ~ ' limit 1').rows | length > 0 -%}
        {{ return(adapter.dispatch('lf_delete_rows', 'klaviyo_loop')(relation, condition)) }}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}

{% macro default__lf_delete_rows(relation, condition) -%}
    {{ return('delete from ' ~ relation ~ ' where ' ~ condition) }}
{%- endmacro %}

{% macro spark__lf_delete_rows(relation, condition) -%}
    {#- Plain files know no delete, and a table cannot be overwritten by a query of itself. -#}
    {%- set kept = relation.incorporate(path={'identifier': relation.identifier ~ '__kept'}) -%}
    {%- do run_query('create table ' ~ kept ~ ' as select * from ' ~ relation ~ ' where not (' ~ condition ~ ')') -%}
    {#- dbt's incremental models keep the partitions that an overwriting has no row of. Here these are what goes. -#}
    {%- set mode = run_query('set spark.sql.sources.partitionOverwriteMode').rows[0][1] -%}
    {%- do run_query('set spark.sql.sources.partitionOverwriteMode = STATIC') -%}
    {%- do run_query('insert overwrite table ' ~ relation ~ ' select * from ' ~ kept) -%}
    {%- do run_query('set spark.sql.sources.partitionOverwriteMode = ' ~ mode) -%}
    {{ return('drop table ' ~ kept) }}
{%- endmacro %}
