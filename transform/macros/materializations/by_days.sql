{#-
    Classified events. A run makes those of changed days anew (lf_days_to_classify.sql), piece by piece, holds them against what it has, and writes down in `int_changes` whose
    events are others now; only those rows are replaced. All in one transaction: what is noted is what was changed.
-#}
{% materialization by_days, default %}
    {%- set held_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set grant_config = config.get('grants') -%}
    {%- set said = modules.re.search('1 = 1 /[*] lf_days ([^*]+) [*]/', sql) -%}
    {%- set asked = fromjson(said.group(1)) -%}
    {%- set pieces = lf_pieces_of_days(asked.days) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if asked.is_whole -%}
        {%- for days in pieces or [[]] -%}
            {%- set piece = sql | replace(said.group(0), lf_on_days('events.occurred_at', days)) -%}
            {%- call statement('main') -%}
                {%- if loop.first -%}
                    {{ lf_replace_all_rows(target_relation, held_relation, piece) }}
                {%- else -%}
                    insert into {{ target_relation }} (
                        {{ piece }}
                    )
                {%- endif -%}
            {%- endcall -%}
        {%- endfor -%}
        {%- do lf_note_change('whole') -%}
    {%- else -%}
        {%- call statement('main') -%}
            select {{ pieces | length }} as pieces
        {%- endcall -%}
        {%- for days in pieces -%}
            {%- do lf_replace_days(target_relation, days, sql | replace(said.group(0), lf_on_days('events.occurred_at', days))) -%}
        {%- endfor -%}
    {%- endif -%}

    {%- do lf_note_landed(asked.landed) -%}

    {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(held_relation, full_refresh_mode=asked.is_whole)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- Puts the rows of a query in the place of those of some days, and notes the profiles of those that differ. -#}
{% macro lf_replace_days(relation, days, sql) -%}
    {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='quoted') | list -%}
    {%- set on_days = lf_on_days('occurred_at', days) -%}
    {%- call statement('make_piece') -%}
        drop table if exists lf_piece_made;
        create temporary table lf_piece_made as (
            {{ sql }}
        )
    {%- endcall -%}
    {%- call statement('compare_piece') -%}
        drop table if exists lf_piece_changed;
        create temporary table lf_piece_changed as (
            select
                coalesce(held.event_id, made.event_id) as event_id,
                held.profile_id as held_profile_id,
                held.occurred_on as held_on,
                made.profile_id as made_profile_id,
                made.occurred_on as made_on
            from (select * from {{ relation }} where {{ on_days }}) as held
            full outer join lf_piece_made as made on held.event_id = made.event_id
            where
                held.event_id is null
                or made.event_id is null
                {%- for column in columns %}
                or held.{{ column }} is distinct from made.{{ column }}
                {%- endfor %}
        )
    {%- endcall -%}
    {%- set change_id = lf_next_change() -%}
    {%- call statement('note_piece') -%}
        insert into {{ lf_ledger('int_changes') }} (change_id, kind, profile_id, occurred_on, noticed_at)
        select {{ change_id }}, 'events', changed.profile_id, changed.occurred_on, {{ lf_now() }}
        from (
            select coalesce(held_profile_id, '') as profile_id, held_on as occurred_on from lf_piece_changed where held_on is not null
            union
            select coalesce(made_profile_id, '') as profile_id, made_on as occurred_on from lf_piece_changed where made_on is not null
        ) as changed
    {%- endcall -%}
    {%- call statement('replace_piece') -%}
        delete from {{ relation }}
        where {{ on_days }} and event_id in (select event_id from lf_piece_changed where held_on is not null);
        insert into {{ relation }} ({{ columns | join(', ') }})
        select {{ columns | join(', ') }}
        from lf_piece_made
        where event_id in (select event_id from lf_piece_changed);
        drop table lf_piece_changed;
        drop table lf_piece_made
    {%- endcall -%}
{%- endmacro %}


{#- Notes how far the events had landed that were looked at. -#}
{% macro lf_note_landed(landed) -%}
    {%- do run_query(lf_create_changes_applied()) -%}
    {%- do run_query(lf_note_applied('select ' ~ lf_text(lf_literal(tojson(landed))) ~ ' as rests_on, 0 as change_id')) -%}
{%- endmacro %}


{#- Notes in `int_changes` a change that is of no profile. -#}
{% macro lf_note_change(kind) -%}
    {%- do run_query(
        'insert into ' ~ lf_ledger('int_changes') ~ " (change_id, kind, profile_id, occurred_on, noticed_at) values ("
        ~ lf_next_change() ~ ", '" ~ kind ~ "', '', cast(" ~ lf_now() ~ " as date), " ~ lf_now() ~ ')'
    ) -%}
{%- endmacro %}
