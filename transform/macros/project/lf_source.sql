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
    {%- set held = {} -%}
    {%- for column in adapter.dispatch('lf_columns_there', 'klaviyo_loop')(relation) -%}
        {%- do held.update({column.name | lower: column.dtype | lower}) -%}
    {%- endfor -%}
    {{ return(held) }}
{%- endmacro %}

{% macro default__lf_columns_there(relation) -%}
    {%- set found = adapter.get_relation(relation.database, relation.schema, relation.identifier) -%}
    {{ return([] if found is none else adapter.get_columns_in_relation(found)) }}
{%- endmacro %}

{#- The adapter lists no foreign tables, whose columns it knows all the same. -#}
{% macro postgres__lf_columns_there(relation) -%}
    {{ return(adapter.get_columns_in_relation(relation)) }}
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
