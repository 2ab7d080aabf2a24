{#-
    dbt writes the rows of a unit test as literals, through this macro. Where a backslash in a literal begins an escape, JSON with `\"` in it would lose
    its backslashes: adapters escape quotes only (dbt-spark 1.11, dbt-snowflake 1.12).
-#}
{% macro spark__escape_single_quotes(expression) -%}
    {{ return(lf_escaped(expression)) }}
{%- endmacro %}

{% macro snowflake__escape_single_quotes(expression) -%}
    {{ return(lf_escaped(expression)) }}
{%- endmacro %}

{% macro bigquery__escape_single_quotes(expression) -%}
    {{ return(lf_escaped(expression)) }}
{%- endmacro %}

{% macro redshift__escape_single_quotes(expression) -%}
    {{ return(lf_escaped(expression)) }}
{%- endmacro %}
