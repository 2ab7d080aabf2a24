{#-
    A table of which a run renews only what changed (lf_changes.sql): the rows of changed profiles, or of changed days where the model says `meta: {changed_by: occurred_on}`, are
    deleted and made anew, in one transaction with the note of what the table then holds. Built whole, its rows are replaced where its columns are still the same, so
    that nobody's view is dropped.
-#}
{% materialization by_changes, default %}
    {%- set held_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set grant_config = config.get('grants') -%}
    {%- set key = config.get('meta', {}).get('changed_by', 'profile_id') -%}
    {%- set changes = lf_carried('lf_changes', sql) or {'how': 'whole', 'is_noted': false, 'left_alone': []} -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if changes.how == 'whole' -%}
        {%- if held_relation is not none and held_relation.type != 'table' -%}
            {%- do adapter.drop_relation(held_relation) -%}
            {%- set held_relation = none -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ lf_replace_all_rows(target_relation, held_relation, sql) }}
        {%- endcall -%}
    {%- elif changes.how == 'changes' -%}
        {%- set columns = adapter.get_columns_in_relation(target_relation) | map(attribute='quoted') | join(', ') -%}
        {%- call statement('main') -%}
            delete from {{ target_relation }} where {{ key }} in ({{ lf_changed(changes, key) }}) {{ lf_is_not_over(changes, 'experiment_key') }};
            insert into {{ target_relation }} ({{ columns }})
            select {{ columns }}
            from (
                {{ sql }}
            ) as changed_rows
        {%- endcall -%}
    {%- else -%}
        {%- call statement('main') -%}
            select 'nothing changed' as found
        {%- endcall -%}
    {%- endif -%}

    {%- if lf_keeps_changes() -%}
        {%- do lf_note_changes(changes) -%}
    {%- endif -%}
    {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(held_relation, full_refresh_mode=(changes.how == 'whole'))) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- Statements that leave a table with exactly the rows of a query. -#}
{% macro lf_replace_all_rows(relation, held_relation, sql) -%}
    {{ return(adapter.dispatch('lf_replace_all_rows', 'klaviyo_loop')(relation, held_relation, sql)) }}
{%- endmacro %}

{% macro default__lf_replace_all_rows(relation, held_relation, sql) -%}
    create or replace table {{ relation }} as (
        {{ sql }}
    )
{%- endmacro %}

{% macro postgres__lf_replace_all_rows(relation, held_relation, sql) -%}
    {%- if held_relation is none -%}
        create table {{ relation }} as (
            {{ sql }}
        )
    {%- else -%}
        {%- set wanted = get_column_schema_from_query(sql) | map(attribute='name') | list -%}
        {%- set held = adapter.get_columns_in_relation(held_relation) | map(attribute='name') | list -%}
        {%- if wanted | sort == held | sort -%}
            truncate table {{ relation }};
            insert into {{ relation }} ({{ wanted | join(', ') }})
            {{ sql }}
        {%- else -%}
            drop table {{ relation }} cascade;
            create table {{ relation }} as (
                {{ sql }}
            )
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- Notes what the model's table holds now; of what is not known, nothing is kept. -#}
{% macro lf_note_changes(changes) -%}
    {%- if changes.how != 'nothing' -%}
        {%- do run_query(lf_create_changes_applied()) -%}
        {%- do run_query(lf_note_applied(
            'select ' ~ lf_text(lf_literal(changes.rests_on)) ~ ' as rests_on, ' ~ changes.change_id ~ ' as change_id' if changes.is_noted else none
        )) -%}
    {%- endif -%}
{%- endmacro %}
