{#-
    For a test of severity `warn`: prints one warning per row of `query`, whose first column is a sentence,
    because dbt itself only counts the rows.
-#}
{% macro lf_warn(query) %}
    {%- if execute and flags.WHICH in ('build', 'test') -%}
        {%- for row in run_query(query).rows -%}
            {%- do exceptions.warn(row[0]) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
