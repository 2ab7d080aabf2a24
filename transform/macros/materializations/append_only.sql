{#-
    A ledger: each run inserts what its query gives, and nothing is ever changed or built anew (not by a full refresh either), nor removed, but for
    what should never have been inserted (lf_delete_rows).

    The rows go straight into the table: `incremental` writes them into another one first, which of millions takes as long again and
    as much memory. The table is there, because it is created before the first model (lf_create_missing_tables). The
    insert itself holds the query to the contract: it names the yml's columns and the table has their types. dbt's own check would run the query's
    materialized steps once more. A table that was altered by hand ends the run before anything is inserted.
-#}
{% materialization append_only, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set grant_config = config.get('grants') -%}
    {%- set columns = model.columns.values() | map(attribute='name') | map('lower') | list -%}
    {%- set held = adapter.get_columns_in_relation(target_relation) | map(attribute='name') | map('lower') | list -%}
    {%- if columns | sort != held | sort -%}
        {%- do exceptions.raise_compiler_error(
            'The ledger ' ~ target_relation ~ ' has the columns ' ~ (held | sort | join(', ')) ~ '; its model has '
            ~ (columns | sort | join(', ')) ~ '. Nothing was inserted: alter the table by hand, its rows cannot be made anew.'
        ) -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- call statement('main') -%}
        insert into {{ target_relation }} ({{ columns | join(', ') }})
        select {{ columns | join(', ') }}
        from (
            {{ sql }}
        ) as new_rows
    {%- endcall -%}

    {%- do apply_grants(target_relation, grant_config, should_revoke=false) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
