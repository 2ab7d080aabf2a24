{#-
    Views and tables on DuckDB: replaced in one statement, or of a table with a contract in one transaction.

    dbt's own way creates each under another name, renames the old one and the new one and drops the old one. The statements cost nothing, but dbt half as much
    again as the rest of the model; a job has dozens of models, of a few rows. Nobody sees a moment without the relation here either.
-#}
{% materialization view, adapter='duckdb' %}
    {{ return(lf_create_or_replace('view')) }}
{% endmaterialization %}


{% materialization table, adapter='duckdb' %}
    {{ return(lf_create_or_replace('table')) }}
{% endmaterialization %}


{% macro lf_create_or_replace(kind) %}
    {%- set held_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type=kind) -%}
    {%- set grant_config = config.get('grants') -%}
    {%- set has_contract = config.get('contract').enforced -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if held_relation is not none and held_relation.type != kind -%}
        {%- do adapter.drop_relation(held_relation) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        {%- if has_contract %}
            {{- get_assert_columns_equivalent(sql) }}
        {%- endif %}
        {%- if has_contract and kind == 'table' %}
            create or replace table {{ target_relation }} {{ get_table_columns_and_constraints() }};
            insert into {{ target_relation }} {{ get_column_names() }} (
                {{ get_select_subquery(sql) }}
            )
        {%- else %}
            create or replace {{ kind }} {{ target_relation }} as (
                {{ sql }}
            )
        {%- endif %}
    {%- endcall -%}

    {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(held_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmacro %}
