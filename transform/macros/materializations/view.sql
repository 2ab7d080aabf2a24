{#-
    A view on DuckDB: replaced in one statement.

    dbt's own way creates it under another name, renames the old one and the new one and drops the old one; a job has dozens of views, and most are as they were.
    Nobody sees a moment without the view here either.
-#}
{% materialization view, adapter='duckdb' %}
    {%- set held_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set grant_config = config.get('grants') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if held_relation is not none and not held_relation.is_view -%}
        {%- do adapter.drop_relation(held_relation) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        {%- if config.get('contract').enforced %}
            {{- get_assert_columns_equivalent(sql) }}
        {%- endif %}
        create or replace view {{ target_relation }} as (
            {{ sql }}
        )
    {%- endcall -%}

    {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(held_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
