{#-
    Loads a seed as dbt-duckdb does, but for a path that holds an apostrophe, which ends its statement.
-#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {%- set statement -%}
        copy {{ this.render() }} from {{ lf_literal(adapter.get_seed_file_path(model)) }} (format csv, header true)
    {%- endset -%}
    {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
    {{ return(statement) }}
{% endmacro %}
