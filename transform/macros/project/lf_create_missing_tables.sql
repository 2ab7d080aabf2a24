{#-
    Creates, empty, each table that may be read before it is made, and adds columns that are missing from one:
    the raw tables (a stream that is not selected has no table, a field that is not selected has no column)
    and the incremental models (`measure` and `publish` may run before the first `assign`).

    Names and types are those of the sources' and the models' yml. Whatever exists is left alone.
-#}
{% macro lf_create_missing_tables() %}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'seed') -%}
        {%- for source in graph.sources.values() if source.package_name == project_name -%}
            {%- do lf_create_missing_table(source, source.identifier) -%}
        {%- endfor -%}
        {%- for node in graph.nodes.values() if node.package_name == project_name -%}
            {%- if node.config.materialized == 'incremental' -%}
                {%- do lf_create_missing_table(node, node.alias) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{% macro lf_create_missing_table(node, identifier) %}
    {%- set relation = adapter.get_relation(node.database, node.schema, identifier) -%}
    {%- set declared = [] -%}
    {%- for column in node.columns.values() -%}
        {%- do declared.append((column.name, adapter.quote(column.name) ~ ' ' ~ column.data_type)) -%}
    {%- endfor -%}
    {%- if relation is none -%}
        {%- set relation = api.Relation.create(
            database=node.database, schema=node.schema, identifier=identifier, type='table'
        ) -%}
        {%- do adapter.create_schema(relation) -%}
        {%- do run_query('create table ' ~ relation ~ ' (' ~ declared | map(attribute=1) | join(', ') ~ ')') -%}
        {%- do adapter.cache_added(relation) -%}
    {%- else -%}
        {%- set held = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
        {%- for name, definition in declared if name not in held -%}
            {%- do run_query('alter table ' ~ relation ~ ' add column ' ~ definition) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
