{#-
    Views and tables on DuckDB, and views on PostgreSQL: replaced in one statement, or of a table with a contract in one transaction.

    dbt's own way creates each under another name, renames the old one and the new one and drops the old one. The statements cost nothing, but dbt half as much
    again as the rest of the model; a job has dozens of models, of a few rows. Nobody sees a moment without the relation here either.

    On PostgreSQL it would also drop every view that rests on the old one, of whoever: it is replaced in its place instead, as long as its columns stay.
-#}
{% materialization view, adapter='duckdb' %}
    {{ return(lf_create_or_replace('view')) }}
{% endmaterialization %}


{% materialization table, adapter='duckdb' %}
    {{ return(lf_create_or_replace('table')) }}
{% endmaterialization %}


{% materialization view, adapter='postgres' %}
    {{ return(lf_create_or_replace('view')) }}
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
            {{ lf_replace_relation(kind, target_relation, sql) }}
        {%- endif %}
    {%- endcall -%}

    {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(held_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmacro %}


{#- A statement that puts a relation of this kind in the place of the one that may be there. -#}
{% macro lf_replace_relation(kind, relation, sql) -%}
    {{ return(adapter.dispatch('lf_replace_relation', 'klaviyo_loop')(kind, relation, sql)) }}
{%- endmacro %}

{% macro default__lf_replace_relation(kind, relation, sql) -%}
    create or replace {{ kind }} {{ relation }} as (
        {{ sql }}
    )
{%- endmacro %}

{#- A view can be replaced while its columns are the first ones of the new one, of the same names and types. -#}
{% macro postgres__lf_replace_relation(kind, relation, sql) -%}
    do $replace$
    begin
        create or replace {{ kind }} {{ relation }} as (
            {{ sql }}
        );
    exception when invalid_table_definition then
        drop {{ kind }} {{ relation }} cascade;
        create {{ kind }} {{ relation }} as (
            {{ sql }}
        );
    end
    $replace$
{%- endmacro %}
