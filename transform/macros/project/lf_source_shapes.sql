{#-
    Tables of other loaders that stand for raw tables, by the value of the variable `klaviyo_source`: each a source of its own, whose tables this project neither
    creates nor alters. A raw table that a shape does not name is read where it is. Of a column that a shape does not name, the one of the same name is read; else
    `reads` is the other table's column, and `as_raw` makes of its expression what the raw column holds. `gone`: a column that says that a row is no more.
    Another shape is another entry here, and its source in a `_<name>__sources.yml`.
-#}
{% macro lf_source_shapes() -%}
    {{ return({
        'tap': {'tables': {}},
        'warehouse_sync': {
            'source': 'klaviyo_warehouse_sync',
            'tables': {
                'events': {'table': 'klaviyo_event'},
                'metrics': {'table': 'klaviyo_metric', 'columns': {'integration': {'reads': 'integration_name', 'as_raw': lf_integration_named}}},
                'profiles': {'table': 'klaviyo_profile', 'gone': 'deleted'},
            },
        },
    }) }}
{%- endmacro %}


{#- What stands for a raw table by `klaviyo_source`: `source`, `table`, `columns` and `gone`; none where the raw table stands for itself. -#}
{% macro lf_source_shape(source_name, table_name) -%}
    {%- set shape = lf_source_shapes()[lf_variable('klaviyo_source')] -%}
    {%- set table = shape.tables.get(table_name) if source_name == 'klaviyo' else none -%}
    {{ return(none if table is none else dict({'columns': {}, 'gone': none}, **dict(table, source=shape.source))) }}
{%- endmacro %}


{#- Another loader's table as the raw table that it stands for, for `from`: its columns by the raw names and of the raw types, null where it has none. -#}
{% macro lf_source_of_shape(shape, relation, node) -%}
    {%- set held = lf_columns_held(relation) -%}
    {%- set columns = [] -%}
    {%- for column in node.columns.values() -%}
        {%- set declared = shape.columns.get(column.name, {}) -%}
        {%- set reads = declared.reads or column.name -%}
        {%- if reads not in held -%}
            {%- set expression = 'cast(null as ' ~ lf_type(column.data_type) ~ ')' -%}
        {%- elif declared.as_raw -%}
            {%- set expression = declared.as_raw('loaded.' ~ reads) -%}
        {%- else -%}
            {%- set expression = lf_as_raw('loaded.' ~ reads, column.data_type, held[reads]) -%}
        {%- endif -%}
        {%- do columns.append(expression ~ ' as ' ~ column.name) -%}
    {%- endfor -%}
    {%- set from_table = relation ~ ' as loaded' if held else '(select 1 as one) as nothing where 1 = 0' -%}
    {%- set is_there -%}
        {%- if shape.gone in held %} where coalesce(lower({{ lf_text('loaded.' ~ shape.gone) }}), 'false') in ('false', 'f', '0', ''){% endif -%}
    {%- endset -%}
    {{ return('(select ' ~ columns | join(', ') ~ ' from ' ~ from_table ~ is_there ~ ') as landed') }}
{%- endmacro %}


{#- An expression of a warehouse's type as one of a raw type: JSON out of text, and moments as UTC without a time zone. -#}
{% macro lf_as_raw(expression, type, held) -%}
    {%- if type == 'json' -%}
        {{ return(lf_json_of_text(expression) if held.split('(')[0] in ('varchar', 'text', 'string', 'character varying', 'char') else expression) }}
    {%- elif type == 'timestamp' -%}
        {{ return(lf_utc(expression, held)) }}
    {%- endif -%}
    {{ return('cast(' ~ expression ~ ' as ' ~ lf_type(type) ~ ')') }}
{%- endmacro %}


{#- A moment, of whatever type the warehouse holds it in, as UTC without a time zone. -#}
{% macro lf_utc(moment, held) -%}
    {{ return(adapter.dispatch('lf_utc', 'klaviyo_loop')(moment, held)) }}
{%- endmacro %}

{% macro default__lf_utc(moment, held) -%}
    {%- if 'with time zone' in held or held in ('timestamptz', 'timetz') -%}
        {%- set moment = moment ~ " at time zone 'UTC'" -%}
    {%- endif -%}
    {{ return('cast(' ~ moment ~ ' as ' ~ lf_type('timestamp') ~ ')') }}
{%- endmacro %}

{% macro snowflake__lf_utc(moment, held) -%}
    {%- if held.startswith(('timestamp_tz', 'timestamp_ltz')) -%}
        {%- set moment = "convert_timezone('UTC', " ~ moment ~ ')' -%}
    {%- endif -%}
    {{ return('cast(' ~ moment ~ ' as ' ~ lf_type('timestamp') ~ ')') }}
{%- endmacro %}


{#- The integration of a metric, of which only the name is there, as Klaviyo's API has it: its key is the name in small letters. -#}
{% macro lf_integration_named(name) -%}
    {%- set key = "replace(replace(lower(" ~ name ~ "), ' ', '_'), 'magento_2', 'magento_two')" -%}
    {{ return(lf_json_of_text(
        "'{" ~ '"key":' ~ "' || " ~ lf_json_serialized(lf_json_string(key)) ~ " || '," ~ '"name":' ~ "' || " ~ lf_json_serialized(lf_json_string(name)) ~ " || '}'"
    )) }}
{%- endmacro %}


{#-
    Of the tables that stand for raw tables: what cannot be done without ends the command, with what to set; what else they lack is told, and read as null. Once a
    command, what does not come with them.
-#}
{% macro lf_tell_other_loader() -%}
    {%- set chosen = lf_variable('klaviyo_source') -%}
    {%- set shape = lf_source_shapes()[chosen] -%}
    {%- set absent, needed, lacking, provided = [], [], [], [] -%}
    {%- for raw, table in shape.tables.items() -%}
        {%- set node = lf_source_node(shape.source, table.table) -%}
        {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.identifier) -%}
        {%- set held = lf_columns_held(relation) -%}
        {%- do provided.append('`' ~ raw ~ '` of ' ~ node.schema ~ '.' ~ node.identifier) -%}
        {%- if not held -%}
            {%- do absent.append(node.schema ~ '.' ~ node.identifier) -%}
        {%- endif -%}
        {%- for name, column in node.columns.items() if held and name not in held -%}
            {%- set meta = column.config.get('meta', {}) -%}
            {%- if meta.get('is_required') -%}
                {%- do needed.append(node.schema ~ '.' ~ node.identifier ~ '.' ~ name) -%}
            {%- elif not meta.get('is_optional') -%}
                {%- do lacking.append(node.schema ~ '.' ~ node.identifier ~ '.' ~ name) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if absent or needed -%}
        {%- do exceptions.raise_compiler_error(
            '`klaviyo_source` is ' ~ chosen ~ ', and there is no ' ~ (absent + needed) | join(', no ')
            ~ '. Say where they are: variables `raw_databases`, `raw_schemas` and `raw_tables` (docs/warehouse-sync.md)'
        ) -%}
    {%- endif -%}
    {%- if lacking -%}
        {%- do exceptions.warn('Read as null, because they are not there: ' ~ lacking | join(', ') ~ ' (docs/warehouse-sync.md)') -%}
    {%- endif -%}
    {%- do log(
        '`klaviyo_source` is ' ~ chosen ~ ': ' ~ provided | join(', ') ~ '. Lists, segments, their members, campaigns, flows and templates do not come with it: what the tap or files '
        ~ 'landed of them is read, else nothing (docs/warehouse-sync.md)', info=true
    ) -%}
{%- endmacro %}
