{#-
    Tables of which a run renews only what changed. What changed stands in `int_changes`: profiles and days, each under the number of a change. A table that is kept so
    (materialization `by_changes`) has noted in `int_changes_applied` up to which change it holds, and on what it rests: the whole build, its own definition, its few
    small inputs (its frame), and what the table before it rests on. Where one of them is another, it is built whole, and so is what follows it.
-#}

{#- Whether this warehouse keeps tables by changes. Spark's plain files know no delete, and the others have not been run: there they are built whole each time. -#}
{% macro lf_keeps_changes() -%}
    {{ return(target.type in ('duckdb', 'postgres')) }}
{%- endmacro %}


{#- How such a model is built. -#}
{% macro lf_by_changes() -%}
    {{ return('by_changes' if lf_keeps_changes() else 'table') }}
{%- endmacro %}


{#- Where it is noted what each table holds. Made with `int_changes`, and its alone: no model reads it. -#}
{% macro lf_changes_applied() -%}
    {%- set node = graph.nodes['model.klaviyo_loop.int_changes'] -%}
    {{ return(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias ~ '_applied', type='table')) }}
{%- endmacro %}


{% macro lf_create_changes_applied() -%}
    {%- if execute and lf_keeps_changes() -%}
        {{ return(
            'create table if not exists ' ~ lf_changes_applied()
            ~ ' (model_name ' ~ lf_type('varchar') ~ ', rests_on ' ~ lf_type('varchar') ~ ', change_id bigint)'
        ) }}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}


{#- Statements that note what the model's table holds now: `rests_on` and `change_id` of a query; without one, that it is not known. -#}
{% macro lf_note_applied(query) -%}
    {%- set statements = ['delete from ' ~ lf_changes_applied() ~ ' where model_name = ' ~ lf_literal(model.name)] -%}
    {%- if query is not none -%}
        {%- do statements.append(
            'insert into ' ~ lf_changes_applied() ~ ' select ' ~ lf_literal(model.name) ~ ', rests_on, change_id from (' ~ query ~ ') as noted'
        ) -%}
    {%- endif -%}
    {{ return(statements | join('; ')) }}
{%- endmacro %}


{#- The number of the next change. -#}
{% macro lf_next_change() -%}
    {{ return(run_query('select coalesce(max(change_id), 0) + 1 as change_id from ' ~ lf_ledger('int_changes')).columns[0].values()[0]) }}
{%- endmacro %}


{#-
    What of a model is to be built now: `how` (`whole`, `changes` or `nothing`), with the numbers and the frame that are noted afterwards.

    Args:
        of: The models that it follows: `int_events_classified`, whose changes are in `int_changes`, or some that are kept by changes themselves. Where a run leaves one of them out, this one waits.
        frame: Queries of what is read beside changed profiles; few rows.
        by_experiment: Whether the rows are of experiments; those that are over are then left alone until the next whole build.
        is_small: Whether the table is built whole each time, and only says up to which change it holds.
-#}
{% macro lf_changes(of, frame, by_experiment=true, is_small=false) -%}
    {%- if not execute or flags.WHICH not in ('build', 'run') or config.get('materialized') != 'by_changes' -%}
        {{ return({'how': 'whole', 'is_noted': false, 'left_alone': []}) }}
    {%- endif -%}
    {%- do run_query(lf_create_changes_applied()) -%}
    {%- set query -%}
        with

        followed as (

            {% if of == ['int_events_classified'] -%}
            select
                {{ lf_text("coalesce(max(case when kind = 'whole' then change_id end), 0)") }} as rests_on,
                coalesce(max(change_id), 0) as change_id
            from {{ lf_ledger('int_changes') }}
            {%- else -%}
            select
                case when count(*) = {{ of | length }} then string_agg(rests_on, ' ' order by model_name) end as rests_on,
                min(change_id) as change_id
            from {{ lf_changes_applied() }}
            where model_name in (
                {%- for model_name in of %}{{ lf_literal(model_name) }}{{ ', ' if not loop.last }}{% endfor -%}
            )
            {%- endif %}

        ),

        held as (

            select
                max(rests_on) as rests_on,
                max(change_id) as change_id
            from {{ lf_changes_applied() }}
            where model_name = {{ lf_literal(model.name) }}

        ),

        frame as (

            {% for rows in frame -%}
            select '{{ loop.index }} ' || cast(framed as {{ lf_type('varchar') }}) as line
            from ({{ rows }}) as framed

            union all

            {% endfor -%}
            select rests_on || ' ' || {{ lf_literal(model.checksum.checksum) }} as line
            from followed
            where rests_on is not null

        ),

        now as (

            select md5(string_agg(line, ' | ' order by line)) as rests_on
            from frame

        )

        select
            followed.rests_on is not null as is_noted,
            followed.change_id,
            held.change_id as held_change_id,
            held.rests_on = now.rests_on as is_current,
            now.rests_on
        from followed
        cross join held
        cross join now
    {%- endset -%}
    {%- set found = run_query(query).rows[0] -%}
    {%- set is_there = load_cached_relation(this) is not none and not flags.FULL_REFRESH -%}
    {%- if is_small or not (is_there and found['is_noted'] and found['is_current']) -%}
        {%- set how = 'whole' -%}
    {%- elif found['held_change_id'] == found['change_id'] -%}
        {%- set how = 'nothing' -%}
    {%- else -%}
        {%- set how = 'changes' -%}
    {%- endif -%}
    {{ return({
        'how': how,
        'is_noted': found['is_noted'],
        'since': found['held_change_id'] | int(-1),
        'change_id': found['change_id'] | int(-1),
        'rests_on': found['rests_on'],
        'left_alone': lf_experiments_over() if how == 'changes' and by_experiment else [],
    }) }}
{%- endmacro %}


{#-
    A condition that begins with `and`: the rows of what changed, by the column of profiles, or of days (`key`). Of a whole build, all rows. It also carries the
    numbers to the materialization, so that what is deleted is what is made anew.
-#}
{% macro lf_is_changed(changes, column, key='profile_id') -%}
    {%- set note = lf_carry('lf_changes', changes) if changes.is_noted else '' -%}
    {%- if changes.how == 'changes' -%}
        and {{ column }} in ({{ lf_changed(changes, key) }}) {{ note }}
    {%- elif changes.how == 'nothing' -%}
        and 1 = 0 {{ note }}
    {%- else -%}
        {{ note }}
    {%- endif -%}
{%- endmacro %}


{#-
    Keys of experiments of which no event is expected any more: ended, and then their window and the days after which even a late event has come have passed. When one was first seen
    to have ended, its verdict says.
-#}
{% macro lf_experiments_over() -%}
    {#- The definitions may be a model of the project that uses this one. -#}
    {%- set found = graph.nodes.values() | selectattr('name', 'equalto', 'stg_experiments__experiments') | first -%}
    {%- set definitions = api.Relation.create(database=found.database, schema=found.schema, identifier=found.alias) -%}
    {%- set query -%}
        select experiments.experiment_key
        from {{ definitions }} as experiments
        inner join {{ lf_ledger('fct_experiment_verdicts') }} as verdicts
            on
                experiments.experiment_key = verdicts.experiment_key
                and experiments.experiment_version = verdicts.experiment_version
        where experiments.status = 'ended'
        group by experiments.experiment_key, experiments.attribution_window_days
        having {{ lf_days_between('min(verdicts.ended_at)', lf_now()) }} > experiments.attribution_window_days + 7
    {%- endset -%}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}


{#- A condition that begins with `and`: the row is of no experiment that is left alone. -#}
{% macro lf_is_not_over(changes, column) -%}
    {%- if changes.left_alone -%}
        and {{ column }} not in (
            {%- for key in changes.left_alone %}{{ lf_literal(key) }}{{ ', ' if not loop.last }}{% endfor -%}
        )
    {%- endif -%}
{%- endmacro %}


{#-
    For a model that only adds rows, whose materialization notes nothing: what changed since it was run last, as `lf_changes` tells it. Everything, where that is not known, what it
    follows (`of`) was built whole since, or it has rows that its `pre_hook` takes out (`faulty`), which are then looked up anew.
-#}
{% macro lf_since_applied(of, faulty) -%}
    {%- if execute and flags.WHICH in ('build', 'run') and lf_keeps_changes() and is_incremental() and config.get('materialized') == 'incremental' -%}
        {%- do run_query(lf_create_changes_applied()) -%}
        {%- set query -%}
            select
                held.change_id as since,
                followed.change_id
            from {{ lf_changes_applied() }} as held
            inner join {{ lf_changes_applied() }} as followed on held.rests_on = followed.rests_on
            where
                held.model_name = {{ lf_literal(model.name) }}
                and followed.model_name = {{ lf_literal(of) }}
                and not exists (select 1 from {{ this }} where {{ faulty }})
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            {{ return({'how': 'changes', 'is_noted': false, 'since': row['since'] | int, 'change_id': row['change_id'] | int}) }}
        {%- endfor -%}
    {%- endif -%}
    {{ return({'how': 'whole', 'is_noted': false}) }}
{%- endmacro %}


{#- For its `post_hook`: it holds what the model holds that it follows. Part of the transaction in which its rows are added. -#}
{% macro lf_note_as_applied(of) -%}
    {%- if not execute or not lf_keeps_changes() -%}
        {{ return('') }}
    {%- endif -%}
    {{ return(lf_note_applied('select rests_on, change_id from ' ~ lf_changes_applied() ~ ' where model_name = ' ~ lf_literal(of))) }}
{%- endmacro %}


{#- A query: what changed since a table was renewed last. -#}
{% macro lf_changed(changes, key) -%}
    select {{ key }}
    from {{ lf_ledger('int_changes') }}
    where
        change_id > {{ changes.since }}
        and change_id <= {{ changes.change_id }}

{%- endmacro %}


{#-
    What `int_changes` notes first in a run: its number and kind. `whole`: all is built whole, because it is the first run of a day (UTC) or the ledger is not the one of before; `ledger`:
    somebody was assigned since `assigned_since`; else nothing.
-#}
{% macro lf_change_begun(ledger) -%}
    {%- if not execute or flags.WHICH not in ('build', 'run') or config.get('materialized') != 'append_only' or not lf_keeps_changes() -%}
        {{ return({'kind': '', 'change_id': 0, 'ledger_rows': 0, 'assigned_until': 'null', 'assigned_since': 'null'}) }}
    {%- endif -%}
    {%- set changes = lf_ledger('int_changes') -%}
    {%- set query -%}
        with

        whole as (

            select cast(max(noticed_at) as date) as begun_on
            from {{ changes }}
            where kind = 'whole'

        ),

        seen as (

            select
                max(ledger_rows) as ledger_rows,
                max(assigned_until) as assigned_until
            from {{ changes }}
            where kind in ('whole', 'ledger')

        ),

        ledger as (

            select
                count(*) as ledger_rows,
                max(ledger.assigned_at) as assigned_until,
                coalesce(sum(case when ledger.assigned_at > seen.assigned_until then 1 else 0 end), 0) as new_rows
            from {{ ledger }} as ledger
            cross join seen

        )

        select
            case
                when whole.begun_on is null or whole.begun_on <> cast({{ lf_now() }} as date) then 'whole'
                when ledger.ledger_rows = seen.ledger_rows then ''
                when ledger.ledger_rows <> seen.ledger_rows + ledger.new_rows or seen.assigned_until is null then 'whole'
                else 'ledger'
            end as kind,
            ledger.ledger_rows,
            {{ lf_text('ledger.assigned_until') }} as assigned_until,
            {{ lf_text('seen.assigned_until') }} as assigned_since
        from whole
        cross join seen
        cross join ledger
    {%- endset -%}
    {%- set found = run_query(query).rows[0] -%}
    {{ return({
        'kind': 'whole' if flags.FULL_REFRESH else found['kind'],
        'change_id': lf_next_change(),
        'ledger_rows': found['ledger_rows'],
        'assigned_until': lf_moment(found['assigned_until']),
        'assigned_since': lf_moment(found['assigned_since']),
    }) }}
{%- endmacro %}


{% macro lf_moment(text) -%}
    {{ return("cast('" ~ text ~ "' as " ~ lf_type('timestamp') ~ ')' if text is not none else 'cast(null as ' ~ lf_type('timestamp') ~ ')') }}
{%- endmacro %}


{#- For a `pre_hook` of `int_changes`: before a whole build, nothing is kept of the changes and of what the tables held. How far events had landed (lf_landed) stays true. -#}
{% macro lf_forget_changes(ledger) -%}
    {%- if not execute or lf_change_begun(ledger).kind != 'whole' -%}
        {{ return(lf_create_changes_applied()) }}
    {%- endif -%}
    {{ return(
        lf_create_changes_applied() ~ '; delete from ' ~ lf_changes_applied() ~ " where model_name <> 'int_events_classified'; delete from " ~ lf_ledger('int_changes')
    ) }}
{%- endmacro %}


{#- For a `pre_hook`: nothing but that the model is built after another one. -#}
{% macro lf_after(relation) -%}
    {{ return('') }}
{%- endmacro %}
