{#-
    A raw table, for `from`. Where the loader's schema is left alone (`create_raw_tables`), what it did not land is read as empty: a table without rows, a column
    of nulls, with the types of the sources' yml. Else it is the table itself, and nothing is asked of the warehouse: lf_create_missing_tables made it.
    What another loader's table stands for (`klaviyo_source`) is read out of that.
-#}
{% macro lf_source(source_name, table_name) -%}
    {%- set relation = source(source_name, table_name) -%}
    {%- if execute and relation.is_cte -%} {#- in a unit test, which knows of no other table -#}
        {{ return(relation) }}
    {%- endif -%}
    {%- set shape = lf_source_shape(source_name, table_name) -%}
    {%- set other = none if shape is none else source(shape.source, shape.table) -%}
    {%- if not execute -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set node = lf_source_node(source_name, table_name) -%}
    {%- if other is not none -%}
        {{ return(lf_source_of_shape(shape, other, node)) }}
    {%- elif lf_creates_raw_tables() -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set held = lf_columns_held(relation) -%}
    {%- set missing = [] -%}
    {%- for column in node.columns.values() if column.name not in held -%}
        {%- do missing.append('cast(null as ' ~ lf_type(column.data_type) ~ ') as ' ~ column.name) -%}
    {%- endfor -%}
    {%- if not held -%}
        {{ return('(select ' ~ missing | join(', ') ~ ' from (select 1 as one) as one_row where one = 0) as landed') }}
    {%- elif missing -%}
        {{ return('(select landed.*, ' ~ missing | join(', ') ~ ' from ' ~ relation ~ ' as landed) as landed') }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}


{#- Types of the columns of a table that others made, by their names, both in lower case; none if it is not there. -#}
{% macro lf_columns_held(relation) -%}
    {%- set found = lf_relation_there(relation.database, relation.schema, relation.identifier) -%}
    {%- set held = {} -%}
    {%- for column in ([] if found is none else lf_columns_there(found)) -%}
        {%- do held.update({column.name | lower: column.dtype | lower}) -%}
    {%- endfor -%}
    {{ return(held) }}
{%- endmacro %}


{#- A table, or whatever can be read as one, that others made; none if it is not there. -#}
{% macro lf_relation_there(database, schema, identifier) -%}
    {{ return(adapter.dispatch('lf_relation_there', 'klaviyo_loop')(database, schema, identifier)) }}
{%- endmacro %}

{% macro default__lf_relation_there(database, schema, identifier) -%}
    {{ return(adapter.get_relation(database, schema, identifier)) }}
{%- endmacro %}

{#- The adapter lists no foreign tables. -#}
{% macro postgres__lf_relation_there(database, schema, identifier) -%}
    {%- set found = adapter.get_relation(database, schema, identifier) -%}
    {%- if found is none -%}
        {%- set relation = api.Relation.create(database=database, schema=schema, identifier=identifier) -%}
        {%- set found = relation if lf_columns_there(relation) else none -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}


{#- The columns of a table that others made, in their order: with `name` and `dtype`. -#}
{% macro lf_columns_there(relation) -%}
    {{ return(adapter.dispatch('lf_columns_there', 'klaviyo_loop')(relation)) }}
{%- endmacro %}

{% macro default__lf_columns_there(relation) -%}
    {{ return(adapter.get_columns_in_relation(relation)) }}
{%- endmacro %}

{#- The information schema, which the adapter asks, has no materialized views, nor what this user may not read: that is to be refused, not taken for missing. -#}
{% macro postgres__lf_columns_there(relation) -%}
    {%- set query -%}
        select
            attributes.attname,
            format_type(coalesce(nullif(types.typbasetype, 0), attributes.atttypid), null)
        from pg_attribute as attributes
        inner join pg_class as classes on attributes.attrelid = classes.oid
        inner join pg_namespace as namespaces on classes.relnamespace = namespaces.oid
        inner join pg_type as types on attributes.atttypid = types.oid
        where
            namespaces.nspname = {{ lf_literal(relation.schema) }}
            and classes.relname = {{ lf_literal(relation.identifier) }}
            and classes.relkind in ('r', 'p', 'v', 'm', 'f')
            and attributes.attnum > 0
            and not attributes.attisdropped
        order by attributes.attnum
    {%- endset -%}
    {%- set columns = [] -%}
    {%- for name, type in run_query(query).rows -%}
        {%- do columns.append(api.Column(name, type)) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}


{#- What the sources' yml says of a raw table; none in a unit test, whose graph is empty. -#}
{% macro lf_source_node(source_name, table_name) -%}
    {{ return(graph.get('sources', {}).get('source.klaviyo_loop.' ~ source_name ~ '.' ~ table_name)) }}
{%- endmacro %}


{#- Whether raw tables and columns that are missing are created: standing alone yes, in another project's warehouse no, unless the variable says otherwise. -#}
{% macro lf_creates_raw_tables() -%}
    {%- set asked = lf_variable('create_raw_tables') -%}
    {{ return(project_name == 'klaviyo_loop' if asked is none else asked) }}
{%- endmacro %}
