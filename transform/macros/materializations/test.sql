{#- A data test names what it found, up to twenty rows; dbt itself only counts them. Of a warning, a row of one column is a sentence. -#}
{% materialization test, default %}
    {%- set built = dbt.materialization_test_default() -%}

    {%- if load_result('main')['data'][0][0] -%}
        {%- set found = run_query(get_limit_subquery_sql(sql, 20)) -%}
        {%- for row in found.rows -%}
            {%- set texts = [] -%}
            {%- for name in found.column_names -%}
                {%- do texts.append(name | lower ~ ' = ' ~ row[name]) -%}
            {%- endfor -%}
            {%- do exceptions.warn(row[0] if texts | length == 1 and config.get('severity') | lower == 'warn' else model.name ~ ' found ' ~ texts | join(', ')) -%}
        {%- endfor -%}
    {%- endif -%}

    {{ return(built) }}
{% endmaterialization %}
