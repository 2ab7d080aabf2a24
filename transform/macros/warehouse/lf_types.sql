{#-
    Types. The project's yml files name DuckDB's; this is what each of them is called on the warehouse at hand.
    A document is kept as the loader lands it: a type of its own where the warehouse has one, else JSON text.
-#}
{% macro lf_type(type) -%}
    {{ return(adapter.dispatch('lf_type', 'klaviyo_loop')(type)) }}
{%- endmacro %}

{% macro default__lf_type(type) -%}
    {{ return(type) }}
{%- endmacro %}

{% macro postgres__lf_type(type) -%}
    {{ return({'varchar': 'text', 'double': 'double precision', 'json': 'jsonb', 'hugeint': 'bigint'}.get(type, type)) }}
{%- endmacro %}

{% macro spark__lf_type(type) -%}
    {{ return({'varchar': 'string', 'json': 'string', 'hugeint': 'bigint'}.get(type, type)) }}
{%- endmacro %}

{% macro snowflake__lf_type(type) -%}
    {{ return({'json': 'variant', 'hugeint': 'bigint', 'timestamp': 'timestamp_ntz'}.get(type, type)) }}
{%- endmacro %}

{% macro bigquery__lf_type(type) -%}
    {{ return({
        'varchar': 'string', 'double': 'float64', 'integer': 'int64', 'bigint': 'int64', 'hugeint': 'int64', 'boolean': 'bool',
    }.get(type, type)) }}
{%- endmacro %}

{% macro redshift__lf_type(type) -%}
    {#- Without a length, Redshift's varchar holds 256 bytes. -#}
    {{ return({
        'varchar': 'varchar(65535)', 'double': 'double precision', 'json': 'super', 'hugeint': 'bigint',
    }.get(type, type)) }}
{%- endmacro %}

{% macro trino__lf_type(type) -%}
    {{ return({'timestamp': 'timestamp(6)', 'hugeint': 'bigint'}.get(type, type)) }}
{%- endmacro %}


{#- A value as text. -#}
{% macro lf_text(value) -%}
    cast({{ value }} as {{ lf_type('varchar') }})
{%- endmacro %}


{#- A number in double precision: `1e0 *` is not enough, because PostgreSQL and Redshift read `1e0` as a decimal. -#}
{% macro lf_double(value) -%}
    cast({{ value }} as {{ lf_type('double') }})
{%- endmacro %}


{#- A decimal number of that many places. -#}
{% macro lf_decimal(value, places) -%}
    {{ return(adapter.dispatch('lf_decimal', 'klaviyo_loop')(value, places)) }}
{%- endmacro %}

{% macro default__lf_decimal(value, places) -%}
    cast({{ value }} as decimal(30, {{ places }}))
{%- endmacro %}

{% macro bigquery__lf_decimal(value, places) -%}
    cast({{ value }} as bignumeric(38, {{ places }}))
{%- endmacro %}


{#- The columns of a contract, by the warehouse's names of their types. -#}
{% macro lf_typed_columns(columns) -%}
    {%- set typed = {} -%}
    {%- for name, column in columns.items() -%}
        {%- do typed.update({name: dict(column, data_type=lf_type(column.data_type))}) -%}
    {%- endfor -%}
    {{ return(typed) }}
{%- endmacro %}


{#- dbt's own two macros that read a contract, over the translated types. -#}
{% macro get_empty_schema_sql(columns) -%}
    {{ return(adapter.dispatch('get_empty_schema_sql', 'dbt')(lf_typed_columns(columns))) }}
{%- endmacro %}

{% macro table_columns_and_constraints() -%}
    ({{ adapter.render_raw_columns_constraints(raw_columns=lf_typed_columns(model['columns'])) | join(', ') }})
{%- endmacro %}
