{#-
    GrowthBook's hash, version 2: FNV-1a (32 bits) of salt and unit without a separator, as decimal text; FNV-1a of that,
    modulo 10,000. Two steps, because each repeats its text, which must be a column.

    Unrolled, because no loop over the characters of a text is portable; folded where the engine can (DuckDB, Spark). Text longer than `longest` characters gives null.
    Characters beyond U+FFFF hash by code point, where JavaScript hashes surrogates.
-#}

{#-
    Whether a definition asks for it. Planning the unrolled text takes a database many seconds, so it is left out of a run that
    has no use for it. A model that is older than such a definition gives no bucket, so assigns nobody, until it is built again.
-#}
{% macro lf_growthbook_is_used() -%}
    {%- set used = namespace(rows=[]) -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {#- Not a `source`: what uses the hash would read a raw table. -#}
        {%- set node = lf_source_node('experiments', 'experiments') -%}
        {%- if node is not none -%}
            {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.identifier) -%}
            {%- if lf_creates_raw_tables() or 'unit_hash' in lf_columns_held(relation) -%}
                {%- set used.rows = run_query("select 1 as used from " ~ relation ~ " where unit_hash = 'growthbook_v2' limit 1").rows -%}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
    {{ return('true' if used.rows | length > 0 else 'false') }}
{%- endmacro %}


{#- First step, of salt and unit. -#}
{% macro lf_growthbook_text(text, longest=160) -%}
    {%- if lf_growthbook_is_used() == 'true' -%}
    case
        when length({{ text }}) <= {{ longest }} then {{ lf_text(lf_fnv1a(text, longest)) }}
    end
    {%- else -%}
    {{ lf_text('null') }}
    {%- endif -%}
{%- endmacro %}


{#- Second step: bucket 0..9999 of the first step's text. -#}
{% macro lf_growthbook_bucket(text) -%}
    {%- if lf_growthbook_is_used() == 'true' -%}
    case when {{ text }} is not null then cast({{ lf_modulo(lf_fnv1a(text, 10), 10000) }} as {{ lf_type('integer') }}) end
    {%- else -%}
    cast(null as {{ lf_type('integer') }})
    {%- endif -%}
{%- endmacro %}


{#- FNV-1a of the characters' code points, as a bigint. The product stays below 2^57. -#}
{% macro lf_fnv1a(text, longest) -%}
    {{ return(adapter.dispatch('lf_fnv1a', 'klaviyo_loop')(text, longest)) }}
{%- endmacro %}

{% macro default__lf_fnv1a(text, longest) -%}
    {%- set hash = namespace(text="cast(2166136261 as " ~ lf_type('bigint') ~ ")") -%}
    {%- for place in range(1, longest + 1) -%}
        {%- set code = "case when length(" ~ text ~ ") >= " ~ place ~ " then "
            ~ lf_code_point("substr(" ~ text ~ ", " ~ place ~ ", 1)") ~ " else 0 end" -%}
        {%- set prime = "case when length(" ~ text ~ ") >= " ~ place ~ " then 16777619 else 1 end" -%}
        {%- set hash.text = "(" ~ lf_modulo(lf_xor(hash.text, code) ~ " * " ~ prime, 4294967296) ~ ")" -%}
    {%- endfor -%}
    {{ hash.text }}
{%- endmacro %}

{% macro duckdb__lf_fnv1a(text, longest) -%}
    {#- A third of the time of 160 steps, and dbt reads the statement of a unit test in seconds less. -#}
    list_reduce(
        list_transform(string_split({{ text }}, ''), lambda letter: cast(unicode(letter) as bigint)),
        lambda hash, code: xor(hash, code) * 16777619 % 4294967296,
        cast(2166136261 as bigint)
    )
{%- endmacro %}

{% macro spark__lf_fnv1a(text, longest) -%}
    {#- An expression that deep is more than Spark's parser takes; it can fold an array instead. -#}
    aggregate(
        transform(filter(split({{ text }}, ''), letter -> letter <> ''), letter -> cast(ascii(letter) as bigint)),
        cast(2166136261 as bigint),
        (hash, code) -> ((hash ^ code) * 16777619) % 4294967296
    )
{%- endmacro %}

{% macro redshift__lf_fnv1a(text, longest) -%}
    {%- do exceptions.raise_compiler_error('unit_hash: growthbook_v2 needs the exclusive or of integers, which Redshift does not have: use md5.') -%}
{%- endmacro %}


{#- The number of the first character of a text, as a bigint. -#}
{% macro lf_code_point(character) -%}
    {{ return(adapter.dispatch('lf_code_point', 'klaviyo_loop')(character)) }}
{%- endmacro %}

{% macro default__lf_code_point(character) -%}
    cast(unicode({{ character }}) as {{ lf_type('bigint') }})
{%- endmacro %}

{% macro postgres__lf_code_point(character) -%}
    cast(ascii({{ character }}) as bigint)
{%- endmacro %}

{% macro trino__lf_code_point(character) -%}
    cast(codepoint(cast({{ character }} as varchar(1))) as bigint)
{%- endmacro %}


{#- Exclusive or of two bigints. -#}
{% macro lf_xor(a, b) -%}
    {{ return(adapter.dispatch('lf_xor', 'klaviyo_loop')(a, b)) }}
{%- endmacro %}

{% macro default__lf_xor(a, b) -%}
    ({{ a }} ^ {{ b }})
{%- endmacro %}

{% macro duckdb__lf_xor(a, b) -%}
    xor({{ a }}, {{ b }})
{%- endmacro %}

{% macro postgres__lf_xor(a, b) -%}
    ({{ a }} # {{ b }})
{%- endmacro %}

{% macro snowflake__lf_xor(a, b) -%}
    bitxor({{ a }}, {{ b }})
{%- endmacro %}

{% macro trino__lf_xor(a, b) -%}
    bitwise_xor({{ a }}, {{ b }})
{%- endmacro %}
