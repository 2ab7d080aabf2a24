{#-
    Creates, empty, each table that may be read before it is made, and adds columns that are missing from one:
    the raw tables (a stream that is not selected has no table, a field that is not selected has no column), unless another loader's schema is left alone,
    and the incremental models and ledgers (`measure` and `publish` may run before the first `assign`), but for those that nothing reads before:
    a table made by the run itself is written once and not by way of another.

    Names and types are those of the sources' and the models' yml. Whatever exists is left alone.
    Of the command of another project that selects nothing of this one, nothing is made: its hooks are run by every command.
-#}
{% macro lf_create_missing_tables() %}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'seed') and lf_is_selected() -%}
        {%- set sources = [] -%}
        {%- set others = lf_source_shapes().values() | selectattr('source', 'defined') | map(attribute='source') | list -%} {#- tables that are not ours -#}
        {%- for source in graph.sources.values() if source.package_name == 'klaviyo_loop' and source.source_name not in others -%}
            {%- if lf_source_shape(source.source_name, source.name) is none -%}
                {%- do sources.append((source, source.identifier)) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if lf_variable('klaviyo_source') != 'tap' -%}
            {%- do lf_tell_other_loader() -%}
        {%- endif -%}
        {%- if not lf_creates_raw_tables() -%}
            {%- do lf_tell_missing_sources(sources) -%}
        {%- endif -%}
        {%- set tables = sources if lf_creates_raw_tables() else [] -%}
        {%- for node in graph.nodes.values() if node.package_name == 'klaviyo_loop' -%}
            {%- if node.config.materialized in ('incremental', 'append_only') and not node.config.meta.get('is_made_by_its_run') -%}
                {%- do tables.append((node, node.alias)) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- for node, identifier in lf_incomplete_tables(tables) -%}
            {%- do lf_create_missing_table(node, identifier) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{#- Whether the command builds or tests anything of this project, of what is loaded and measured here. -#}
{% macro lf_is_selected() -%}
    {%- set found = namespace(any=false) -%}
    {%- for unique_id in selected_resources if unique_id.split('.')[1] == 'klaviyo_loop' and not lf_is_of_accounts(unique_id) -%}
        {%- set found.any = true -%}
    {%- endfor -%}
    {{ return(found.any) }}
{%- endmacro %}


{#- Warns of what is read as empty (lf_source). Where nothing of Klaviyo is there, a name is wrong or nothing was loaded: that ends the command. -#}
{% macro lf_tell_missing_sources(sources) -%}
    {%- set absent, lacking, landed = [], [], [] -%}
    {%- set incomplete = lf_incomplete_tables(sources) -%}
    {%- for node, identifier in sources if node.source_name != 'contents' -%} {#- which no tap writes -#}
        {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=identifier) -%}
        {%- set held = lf_columns_held(relation) if (node, identifier) in incomplete else node.columns | list -%}
        {%- if not held -%}
            {%- do absent.append(node.schema ~ '.' ~ identifier) -%}
        {%- elif node.source_name == 'klaviyo' -%}
            {%- do landed.append(identifier) -%}
        {%- endif -%}
        {%- for name, column in node.columns.items() if held and name not in held and not column.config.get('meta', {}).get('is_optional') -%}
            {%- do lacking.append(node.schema ~ '.' ~ identifier ~ '.' ~ name) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if not landed and lf_variable('klaviyo_source') == 'tap' -%}
        {%- do exceptions.raise_compiler_error(
            'None of the raw tables is there: ' ~ absent | join(', ') ~ '. Load them first, or say where they are: '
            ~ 'variables `raw_database`, `raw_schema`, `raw_schemas`, `raw_tables` (README.md, As a package in your own dbt project)'
        ) -%}
    {%- elif absent or lacking -%}
        {%- do exceptions.warn(
            'Read as empty, because they are not there: ' ~ (absent + lacking) | join(', ')
            ~ '. If they are called otherwise: variables `raw_schemas` and `raw_tables` (README.md, As a package in your own dbt project)'
        ) -%}
    {%- endif -%}
{%- endmacro %}


{#-
    Those of the tables that do not exist or lack a column; more may be named. Every dbt command asks, so where the
    columns of all tables can be read in one query they are: asking for each table takes longer than building a few models.
-#}
{% macro lf_incomplete_tables(tables) -%}
    {{ return(adapter.dispatch('lf_incomplete_tables', 'klaviyo_loop')(tables)) }}
{%- endmacro %}

{% macro default__lf_incomplete_tables(tables) -%}
    {{ return(tables) }}
{%- endmacro %}

{% macro duckdb__lf_incomplete_tables(tables) -%}
    {{ return(lf_tables_with_gaps(tables)) }}
{%- endmacro %}

{% macro postgres__lf_incomplete_tables(tables) -%}
    {{ return(lf_tables_with_gaps(tables)) }}
{%- endmacro %}

{% macro lf_tables_with_gaps(tables) -%}
    {%- set declared = [] -%}
    {%- for node, identifier in tables -%}
        {%- set place = lf_literal(node.database | lower) ~ ', ' ~ lf_literal(node.schema | lower) ~ ', ' ~ lf_literal(identifier | lower) -%}
        {%- for column in node.columns.values() -%}
            {#- Columns are named by this project alone; a call for each of a thousand would take every command a third of a second. -#}
            {%- do declared.append(place ~ ", '" ~ column.name | lower ~ "'") -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set gaps -%}
        select distinct declared.table_schema, declared.table_name
        from (
            values
            {%- for place in declared %}
                ({{ place }}){{ ',' if not loop.last }}
            {%- endfor %}
        ) as declared (table_catalog, table_schema, table_name, column_name)
        left join information_schema.columns as held
            on
                declared.table_catalog = lower(held.table_catalog)
                and declared.table_schema = lower(held.table_schema)
                and declared.table_name = lower(held.table_name)
                and declared.column_name = lower(held.column_name)
        where held.column_name is null
    {%- endset -%}
    {%- set found = [] -%}
    {%- for row in run_query(gaps) -%}
        {%- do found.append((row[0], row[1])) -%}
    {%- endfor -%}
    {%- set incomplete = [] -%}
    {%- for node, identifier in tables if (node.schema | lower, identifier | lower) in found -%}
        {%- do incomplete.append((node, identifier)) -%}
    {%- endfor -%}
    {{ return(incomplete) }}
{%- endmacro %}


{% macro lf_create_missing_table(node, identifier) %}
    {%- set relation = lf_relation_there(node.database, node.schema, identifier) -%}
    {%- set declared = [] -%}
    {%- for column in node.columns.values() -%}
        {%- do declared.append((column.name, adapter.quote(lf_stored_name(column.name)) ~ ' ' ~ lf_type(column.data_type))) -%}
    {%- endfor -%}
    {%- if relation is none -%}
        {%- set relation = api.Relation.create(
            database=lf_stored_name(node.database), schema=lf_stored_name(node.schema), identifier=lf_stored_name(identifier), type='table'
        ) -%}
        {%- do adapter.create_schema(relation) -%}
        {%- do run_query(lf_create_table(relation, declared | map(attribute=1) | join(', '), node.config.get('partition_by'))) -%}
        {%- do adapter.cache_added(relation) -%}
    {%- else -%}
        {%- set held = lf_columns_there(relation) | map(attribute='name') | map('lower') | list -%}
        {%- set missing = declared | rejectattr(0, 'in', held) | list -%}
        {%- if missing and node.resource_type == 'source' and not relation.is_table -%}
            {%- do exceptions.raise_compiler_error(
                relation ~ ' is no table, so it is not given what it lacks: ' ~ missing | map(attribute=0) | join(', ')
                ~ '. Give it columns of these names, or set the variable `create_raw_tables` to false, with which they are read as null (README.md, Variables)'
            ) -%}
        {%- endif -%}
        {%- for name, definition in missing -%}
            {#- In a transaction, which the hook would end without a commit; to ask for the columns begins one on some warehouses. -#}
            {%- call statement('add_column', auto_begin=true) -%}
                {{ lf_add_column(relation, definition) }}
            {%- endcall -%}
            {%- if loop.last -%}
                {%- do adapter.commit() -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}


{#- An empty table; `partition_by` names some of its columns, or is none. -#}
{% macro lf_create_table(relation, columns, partition_by) -%}
    {{ return(adapter.dispatch('lf_create_table', 'klaviyo_loop')(relation, columns, partition_by)) }}
{%- endmacro %}

{% macro default__lf_create_table(relation, columns, partition_by) -%}
    create table {{ relation }} ({{ columns }})
{%- endmacro %}

{% macro spark__lf_create_table(relation, columns, partition_by) -%}
    create table {{ relation }} ({{ columns }})
    {%- if partition_by %} partitioned by ({{ partition_by | join(', ') }}){% endif %}
{%- endmacro %}


{% macro lf_add_column(relation, definition) -%}
    {{ return(adapter.dispatch('lf_add_column', 'klaviyo_loop')(relation, definition)) }}
{%- endmacro %}

{% macro default__lf_add_column(relation, definition) -%}
    alter table {{ relation }} add column {{ definition }}
{%- endmacro %}

{% macro spark__lf_add_column(relation, definition) -%}
    alter table {{ relation }} add columns ({{ definition }})
{%- endmacro %}
