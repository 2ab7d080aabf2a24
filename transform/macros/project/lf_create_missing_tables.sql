{#-
    Creates, empty, each table that may be read before it is made, and adds columns that are missing from one:
    the raw tables (a stream that is not selected has no table, a field that is not selected has no column)
    and the incremental models and ledgers (`measure` and `publish` may run before the first `assign`), but for those that nothing reads before:
    a table made by the run itself is written once and not by way of another.

    Names and types are those of the sources' and the models' yml. Whatever exists is left alone.
-#}
{% macro lf_create_missing_tables() %}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'seed') -%}
        {%- for source in graph.sources.values() if source.package_name == project_name -%}
            {%- do lf_create_missing_table(source, source.identifier) -%}
        {%- endfor -%}
        {%- for node in graph.nodes.values() if node.package_name == project_name -%}
            {%- if node.config.materialized in ('incremental', 'append_only') and not node.config.meta.get('is_made_by_its_run') -%}
                {%- do lf_create_missing_table(node, node.alias) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{% macro lf_create_missing_table(node, identifier) %}
    {%- set relation = adapter.get_relation(node.database, node.schema, identifier) -%}
    {%- set declared = [] -%}
    {%- for column in node.columns.values() -%}
        {%- do declared.append((column.name, adapter.quote(column.name) ~ ' ' ~ lf_type(column.data_type))) -%}
    {%- endfor -%}
    {%- if relation is none -%}
        {%- set relation = api.Relation.create(
            database=node.database, schema=node.schema, identifier=identifier, type='table'
        ) -%}
        {%- do adapter.create_schema(relation) -%}
        {%- do run_query(lf_create_table(relation, declared | map(attribute=1) | join(', '), node.config.get('partition_by'))) -%}
        {%- do adapter.cache_added(relation) -%}
    {%- else -%}
        {%- set held = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
        {%- for name, definition in declared if name not in held -%}
            {%- do run_query(lf_add_column(relation, definition)) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{#- An empty table; `partition_by` names some of its columns, or is none. -#}
{% macro lf_create_table(relation, columns, partition_by) -%}
    {{ return(adapter.dispatch('lf_create_table')(relation, columns, partition_by)) }}
{%- endmacro %}

{% macro default__lf_create_table(relation, columns, partition_by) -%}
    create table {{ relation }} ({{ columns }})
{%- endmacro %}

{% macro spark__lf_create_table(relation, columns, partition_by) -%}
    create table {{ relation }} ({{ columns }})
    {%- if partition_by %} partitioned by ({{ partition_by | join(', ') }}){% endif %}
{%- endmacro %}


{% macro lf_add_column(relation, definition) -%}
    {{ return(adapter.dispatch('lf_add_column')(relation, definition)) }}
{%- endmacro %}

{% macro default__lf_add_column(relation, definition) -%}
    alter table {{ relation }} add column {{ definition }}
{%- endmacro %}

{% macro spark__lf_add_column(relation, definition) -%}
    alter table {{ relation }} add columns ({{ definition }})
{%- endmacro %}
