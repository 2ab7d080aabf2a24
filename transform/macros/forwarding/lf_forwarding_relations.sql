{#-
    Where the events of each file lie, and from when on they are read: looked up while a model is compiled, because a file may name any table. Of each file the rows are read that were
    received since what the ledger has of it, less `forwarding_overlap_hours`, and not before the first that it does not have; and what is decided anew.
-#}

{#- The files, as mappings: key, table or relation, columns, layout, and the types of call that their rules name. -#}
{% macro lf_forwarding_files(definitions, rules) -%}
    {%- set types = {} -%}
    {%- set whole = [] -%}
    {%- for key, type, keeps_all in run_query('select distinct definition_key, type, keeps_all from ' ~ rules ~ ' order by 1, 2') -%}
        {%- do types.update({key: types.get(key, []) + [type]}) -%}
        {%- do whole.append(key) if keeps_all -%}
    {%- endfor -%}
    {%- set query -%}
        select
            definition_key,
            source_table,
            {{ lf_json_serialized('relation') }} as relation,
            {{ lf_json_serialized('columns') }} as source_columns,
            {{ lf_json_serialized('property_columns') }} as property_columns,
            source_event,
            source_type,
            layout,
            bot_per_minute
        from {{ definitions }}
        order by definition_key
    {%- endset -%}
    {%- set files = [] -%}
    {%- for row in run_query(query) -%}
        {%- do files.append({
            'key': row[0], 'table': row[1], 'relation': fromjson(row[2] or '[]'), 'columns': fromjson(row[3] or '{}'), 'property_columns': fromjson(row[4] or '[]'),
            'event': row[5], 'type': row[6], 'has_documents': row[7] != 'columns', 'types': types.get(row[0], []), 'keeps_all': row[0] in whole,
            'has_pace': row[8] is not none,
        }) -%}
    {%- endfor -%}
    {{ return(files) }}
{%- endmacro %}


{#-
    What rows of the files are read, by key: `since` a literal moment, and those that were received at one of `also`. `counted_since` is the moment since which rows count for the pace of
    who made them: where a file asks for it, ten minutes earlier, so that what a machine did in one minute is found whichever runs it came in. `rows` are the files' rows, for `from`, by key; `former` is what is
    decided anew. What was received before the last that the ledger knows, but not before `forwarding_overlap_hours` of it, is looked for by its id alone. What is decided anew
    and is older is read by itself: a single event that Klaviyo refuses would otherwise have all since then read, in each run.
-#}
{% macro lf_forwarding_moments(files, rows, former) -%}
    {%- set last, moments = {}, {} -%}
    {%- if rows -%}
        {%- for key, moment in run_query(
            'select definition_key, ' ~ lf_text('max(received_at)') ~ ' as received_at from ' ~ lf_forwarding_told() ~ ' where ' ~ lf_is_sent_still('decided_at') ~ ' group by definition_key'
        ) -%}
            {%- do last.update({key: moment}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for file in files if file.key in rows -%}
        {%- if file.key in last -%}
            {%- set overlap = lf_dateadd('hour', -(lf_variable('forwarding_overlap_hours') | int), lf_moment(last[file.key])) -%}
            {%- set again = 'from ' ~ former ~ ' where is_decided_again and definition_key = ' ~ lf_literal(file.key) -%}
            {%- set near = run_query('select ' ~ lf_text('min(received_at)') ~ ' as received_at ' ~ again ~ ' and received_at >= ' ~ overlap).rows[0][0] -%}
            {%- set far = run_query('select distinct ' ~ lf_text('received_at') ~ ' as received_at ' ~ again ~ ' and received_at < ' ~ overlap ~ ' order by 1 limit 501').columns[0].values() | list -%}
            {%- set found = [lf_forwarding_first_new(file, rows[file.key], last[file.key], overlap), near, last[file.key]] | select | list -%}
            {%- set is_few = far | length <= 500 -%}
            {%- set since = lf_moment(found | min if is_few else far[0]) -%}
            {%- do moments.update({file.key: {
                'since': since, 'also': far | map('replace', "'", '') | list if is_few else [],
                'counted_since': lf_dateadd('minute', -10, since) if file.has_pace else since,
            }}) -%}
        {%- else -%}
            {%- set since = lf_dateadd('day', -(lf_variable('pushed_days') | int), lf_now()) -%}
            {%- do moments.update({file.key: {'since': since, 'also': [], 'counted_since': since}}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(moments) }}
{%- endmacro %}


{#- A condition: a row was received when rows of its file are read; with `counts`, when they count for a pace. -#}
{% macro lf_forwarding_is_of(moments, received_at, counts=false) -%}
    {%- set also = [] -%}
    {%- for moment in moments.also -%}
        {%- do also.append(lf_moment(moment)) -%}
    {%- endfor -%}
    {{ return('(' ~ received_at ~ ' >= ' ~ (moments.counted_since if counts else moments.since) ~ (' or ' ~ received_at ~ ' in (' ~ also | join(', ') ~ ')' if also else '') ~ ')') }}
{%- endmacro %}


{#- When the first event was received that the ledger does not have, of those that came with what it has; none where it has all. -#}
{% macro lf_forwarding_first_new(file, rows, last, since) -%}
    {%- set query -%}
        select {{ lf_text('min(incoming.received_at)') }} as received_at
        from {{ rows }} as incoming
        left join (
            select event_ref
            from {{ lf_forwarding_told() }}
            where
                definition_key = {{ lf_literal(file.key) }}
                and received_at >= {{ since }}
                and {{ lf_is_sent_still('decided_at') }}
        ) as told on {{ lf_literal(file.key ~ ':') }} || incoming.message_id = told.event_ref
        where
            incoming.received_at >= {{ since }}
            and incoming.received_at <= {{ lf_moment(last) }}
            and incoming.type in ('track'{% for type in file.types %}, {{ lf_literal(type) }}{% endfor %})
            and told.event_ref is null
    {%- endset -%}
    {{ return(run_query(query).rows[0][0]) }}
{%- endmacro %}


{#- A condition: a row of one of the receiver's tables was received since it is read for its file; with `counts`, since it counts for a pace. -#}
{% macro lf_forwarding_is_read(table, files, moments, received_at, counts=false) -%}
    {%- if files is none -%}
        {{ return(lf_is_sent_still(received_at)) }}
    {%- endif -%}
    {%- set conditions = [] -%}
    {%- for file in files if file.table == table -%}
        {%- do conditions.append('(definitions.definition_key = ' ~ lf_literal(file.key) ~ ' and ' ~ lf_forwarding_is_of(moments[file.key], received_at, counts) ~ ')') -%}
    {%- endfor -%}
    {%- if not conditions -%}
        {{ return('1 = 0') }}
    {%- endif -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')') }}
{%- endmacro %}


{#- A query of the rows of a file as the models know events; none, and a warning that names file and remedy, where table or columns are not there. -#}
{% macro lf_forwarding_rows(file) -%}
    {%- set parts = file.relation -%}
    {%- set relation = lf_relation_there(parts[-3] if parts | length > 2 else target.database, parts[-2], parts[-1]) -%}
    {%- if relation is none -%}
        {%- do lf_forwarding_warn(file, 'the table ' ~ parts | join('.') ~ ' is not there', 'correct `from.relation`, or load it') -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set held = {} -%}
    {%- for column in lf_columns_there(relation) -%}
        {%- do held.update({column.name | lower: column}) -%}
    {%- endfor -%}
    {%- set missing = [] -%}
    {%- for name in ('message_id', 'event', 'occurred_at', 'properties') -%}
        {%- for column in file.columns.get(name, []) if column | lower not in held -%}
            {%- do missing.append(column) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if missing -%}
        {%- do lf_forwarding_warn(file, parts | join('.') ~ ' has no column ' ~ missing | join(', '), 'correct `from.columns`, or give it a view that has them') -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set texts = {} -%}
    {%- for name in ('message_id', 'type', 'event', 'user_id', 'anonymous_id', 'occurred_at', 'received_at', 'properties', 'context') -%}
        {%- set found = [] -%}
        {%- for column in file.columns.get(name, []) if column | lower in held -%}
            {%- do found.append(adapter.quote(held[column | lower].name)) -%}
        {%- endfor -%}
        {%- do texts.update({name: found}) -%}
    {%- endfor -%}
    {%- set occurred_at = 'cast(' ~ texts.occurred_at[0] ~ ' as ' ~ lf_type('timestamp') ~ ')' -%}
    {%- set received_at = 'coalesce(cast(' ~ texts.received_at[0] ~ ' as ' ~ lf_type('timestamp') ~ '), ' ~ occurred_at ~ ')' if texts.received_at else occurred_at -%}
    (
        select
            {{ lf_literal(file.key) }} as definition_key,
            {% for column in texts.message_id -%}
            {{ lf_text(column) }}{{ " || ':' || " if not loop.last }}
            {%- endfor %} as message_id,
            {{ lf_text(texts.type[0]) if texts.type else lf_literal(file.type or 'track') }} as type,
            {{ lf_text(texts.event[0]) if texts.event else (lf_literal(file.event) if file.event else 'cast(null as ' ~ lf_type('varchar') ~ ')') }} as event,
            {% for name in ('user_id', 'anonymous_id') -%}
            {{ lf_text(texts[name][0]) if texts[name] else 'cast(null as ' ~ lf_type('varchar') ~ ')' }} as {{ name }},
            {% endfor -%}
            {% if file.has_documents -%}
            {{ lf_forwarding_document(held, texts.properties[0]) }} as properties,
            {{ lf_forwarding_document(held, texts.context[0]) if texts.context else 'cast(null as ' ~ lf_type('json') ~ ')' }} as context,
            {% else -%}
            {{ lf_forwarding_columns_document(file, held, '') }} as properties,
            {{ lf_forwarding_columns_document(file, held, 'context_') }} as context,
            {% endif -%}
            {{ occurred_at }} as occurred_at,
            {{ received_at }} as received_at
        from {{ relation }}
    )
{%- endmacro %}


{% macro lf_forwarding_warn(file, what, remedy) -%}
    {%- do exceptions.warn('forwarding/' ~ file.key ~ '.yml: ' ~ what ~ '; ' ~ remedy ~ '. Nothing is read of it until then.') -%}
{%- endmacro %}


{#- A column that holds a document, whatever its type. -#}
{% macro lf_forwarding_document(held, quoted) -%}
    {%- set name = quoted | replace('"', '') | replace('`', '') | lower -%}
    {%- set kind = lf_column_kind(held[name]) -%}
    {%- if kind == 'json' -%}
        {{ return(quoted) }}
    {%- endif -%}
    {{ return(lf_json_of_text(lf_json_if_valid(lf_text_of_kind(quoted, kind)))) }}
{%- endmacro %}


{#- An object of the columns of properties, or of those of the context, whose names begin with `context_`. -#}
{% macro lf_forwarding_columns_document(file, held, prefix) -%}
    {%- set mapped = [] -%}
    {%- for columns in file.columns.values() -%}
        {%- for column in columns -%}
            {%- do mapped.append(column | lower) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set asked = file.property_columns | map('lower') | list -%}
    {%- set members = {} -%}
    {%- for name, column in held.items() if name in asked or (file.keeps_all and name[:1] != '_') -%}
        {%- if (name[:8] == 'context_') == (prefix == 'context_') and (name not in mapped or name in asked) -%}
            {%- do members.update({name[8:] if prefix else name: column}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(lf_json_object_of(members)) }}
{%- endmacro %}


{#- A JSON object of columns, by the name of its members. A text that is a JSON array or object becomes one; nulls are left out. -#}
{% macro lf_json_object_of(members) -%}
    {%- set texts = [] -%}
    {%- for name, column in members.items() -%}
        {%- do texts.append("coalesce(" ~ lf_literal(',' ~ tojson(name) ~ ':') ~ " || " ~ lf_json_text_of_column(column) ~ ", '')") -%}
    {%- endfor -%}
    {{ return(lf_json_of_text("'{' || substr(" ~ (texts | join(' || ') if texts else "''") ~ ", 2) || '}'")) }}
{%- endmacro %}

{#- The same, of texts by name and of what is JSON text already. -#}
{% macro lf_json_object_of_texts(columns, documents) -%}
    {%- set texts = [] -%}
    {%- for name, column in columns.items() -%}
        {%- do texts.append("coalesce(" ~ lf_literal(',"' ~ name ~ '":') ~ " || " ~ lf_json_serialized(lf_json_string(column)) ~ ", '')") -%}
    {%- endfor -%}
    {%- for name, text in documents.items() -%}
        {%- do texts.append("coalesce(" ~ lf_literal(',"' ~ name ~ '":') ~ " || " ~ text ~ ", '')") -%}
    {%- endfor -%}
    {{ return(lf_json_of_text("'{' || substr(" ~ texts | join(' || ') ~ ", 2) || '}'")) }}
{%- endmacro %}


{#- A column, as JSON text; null where it is null. What is none, though its type or its beginning says so, is a text. -#}
{% macro lf_json_text_of_column(column) -%}
    {%- set kind = lf_column_kind(column) -%}
    {%- set text = lf_text_of_kind(adapter.quote(column.name), kind) -%}
    {%- if kind == 'number' -%}
        {{ return(lf_text_of_pattern(text, '-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?')) }}
    {%- elif kind == 'boolean' -%}
        {{ return('case when ' ~ adapter.quote(column.name) ~ " then 'true' when not " ~ adapter.quote(column.name) ~ " then 'false' end") }}
    {%- elif kind == 'json' -%}
        {{ return(text) }}
    {%- endif -%}
    {%- set document = lf_json_if_valid(text) -%}
    {%- if kind == 'text' -%}
        {%- set document = 'case when substr(' ~ text ~ ", 1, 1) in ('[', '{') then " ~ document ~ ' end' -%}
    {%- endif -%}
    {{ return('coalesce(' ~ document ~ ', ' ~ lf_json_serialized(lf_json_string(text)) ~ ')') }}
{%- endmacro %}


{#- A value as text: JSON of `json` and of `nested`. -#}
{% macro lf_text_of_kind(value, kind) -%}
    {%- if kind == 'json' -%}
        {{ return(lf_json_serialized(value)) }}
    {%- endif -%}
    {{ return(lf_json_text_of_nested(value) if kind == 'nested' else lf_text(value)) }}
{%- endmacro %}


{#-
    How a column of any table becomes JSON: `json` (the type that documents have here), `nested` (lists, structures, maps, and JSON of another type), `number`, `boolean`, else
    `text`. By the whole name of the type, since a type that somebody made may be called anything.
-#}
{% macro lf_column_kind(column) -%}
    {%- set type = (column.data_type if target.type == 'bigquery' else column.dtype) | lower -%} {#- which tells of repeated columns there alone -#}
    {%- set name = type.split('(')[0].split('<')[0] | trim -%}
    {%- if name in ('json', 'jsonb', 'variant', 'super') -%}
        {{ return('json' if name == lf_type('json') else 'nested') }}
    {%- elif type.endswith(']') or name in ('array', 'list', 'struct', 'map', 'row', 'record', 'object', 'union') -%}
        {{ return('nested') }}
    {%- elif name in ('boolean', 'bool') -%}
        {{ return('boolean') }}
    {%- elif modules.re.fullmatch('(u?(tiny|small|medium|big|huge|byte)?int(eger)?[0-9]*|big(num|numeric|decimal)|num(ber|eric)?|dec(imal)?|double( precision)?|float[0-9]*|real)', name) -%}
        {{ return('number') }}
    {%- endif -%}
    {{ return('text') }}
{%- endmacro %}


{#- JSON text of a list, a structure, a map or a document; null where it is null. -#}
{% macro lf_json_text_of_nested(value) -%}
    {{ return(adapter.dispatch('lf_json_text_of_nested', 'klaviyo_loop')(value)) }}
{%- endmacro %}

{% macro default__lf_json_text_of_nested(value) -%}
    cast(to_json({{ value }}) as {{ lf_type('varchar') }})
{%- endmacro %}

{% macro bigquery__lf_json_text_of_nested(value) -%}
    case when {{ value }} is not null then to_json_string({{ value }}) end
{%- endmacro %}

{% macro redshift__lf_json_text_of_nested(value) -%}
    json_serialize(cast({{ value }} as super))
{%- endmacro %}

{% macro trino__lf_json_text_of_nested(value) -%}
    json_format(cast({{ value }} as json))
{%- endmacro %}


{#- A text where it is JSON; else null. -#}
{% macro lf_json_if_valid(text) -%}
    {{ return(adapter.dispatch('lf_json_if_valid', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro duckdb__lf_json_if_valid(text) -%}
    case when json_valid({{ text }}) then {{ text }} end
{%- endmacro %}

{% macro postgres__lf_json_if_valid(text) -%}
    case when pg_input_is_valid({{ text }}, 'jsonb') then {{ text }} end
{%- endmacro %}

{% macro spark__lf_json_if_valid(text) -%}
    case when try_parse_json({{ text }}) is not null then {{ text }} end
{%- endmacro %}

{% macro snowflake__lf_json_if_valid(text) -%}
    case when try_parse_json({{ text }}) is not null then {{ text }} end
{%- endmacro %}

{% macro bigquery__lf_json_if_valid(text) -%}
    case when safe.parse_json({{ text }}) is not null then {{ text }} end
{%- endmacro %}

{% macro redshift__lf_json_if_valid(text) -%}
    case when can_json_parse({{ text }}) then {{ text }} end
{%- endmacro %}

{% macro trino__lf_json_if_valid(text) -%}
    case when try(json_parse({{ text }})) is not null then {{ text }} end
{%- endmacro %}
