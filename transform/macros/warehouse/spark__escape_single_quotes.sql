{#- dbt writes the rows of a unit test as literals, through this macro. Spark reads a backslash in a literal as the
    beginning of an escape; dbt-spark 1.11 escapes quotes only, so JSON with `\"` in it would lose its backslashes. -#}
{% macro spark__escape_single_quotes(expression) -%}
    {{ return(expression | replace('\\', '\\\\') | replace("'", "\\'")) }}
{%- endmacro %}
