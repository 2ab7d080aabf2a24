{#-
    A condition: the events that this run classifies. Of days that are classified piece by piece (materialization `by_days`) it only carries the list of them, and the
    materialization puts each piece's days in its place.
-#}
{% macro lf_days_filter(events, roles, classified) -%}
    {%- if execute and flags.WHICH in ('build', 'run') and config.get('materialized') == 'by_days' -%}
        {%- set is_whole = load_cached_relation(this) is none or flags.FULL_REFRESH -%}
        {%- set landed = lf_landed(events, roles) -%}
        {%- if is_whole -%}
            {%- set days = lf_landed_days(events, roles) -%}
        {%- else -%}
            {%- set days = lf_days_of_news(events, roles, classified, landed) -%}
        {%- endif -%}
        1 = 1 /* lf_days {{ tojson({'is_whole': is_whole, 'days': days, 'landed': landed}) }} */
    {%- elif is_incremental() -%}
        {%- set days = [] -%}
        {%- for day in lf_days_to_classify(events, roles, classified) -%}
            {%- do days.append(day if day is string else day[0]) -%}
        {%- endfor -%}
        {{ lf_on_days('events.occurred_at', days) }}
    {%- else -%}
        1 = 1
    {%- endif -%}
{%- endmacro %}


{#-
    A condition: a moment is on one of these days. The range goes before the list, because DuckDB reads the documents of all events to apply a list. As literals, which a
    warehouse applies before it reads a document; joined, it would read them all.
-#}
{% macro lf_on_days(moment, days) -%}
    {%- if not days -%}
        {{ return('1 = 0') }}
    {%- endif -%}
    {%- set listed = [] -%}
    {%- for day in days -%}
        {%- do listed.append("cast('" ~ day ~ "' as date)") -%}
    {%- endfor -%}
    {{ return(
        moment ~ " >= cast('" ~ days | min ~ "' as " ~ lf_type('timestamp') ~ ') and '
        ~ moment ~ ' < ' ~ lf_dateadd('day', 1, "cast('" ~ days | max ~ "' as " ~ lf_type('timestamp') ~ ")")
        ~ ' and cast(' ~ moment ~ ' as date) in (' ~ listed | join(', ') ~ ')'
    ) }}
{%- endmacro %}


{#- So many hours a loader may write down when it landed a row before anybody can read it. None where one process at a time has the file. -#}
{% macro lf_landing_hours() -%}
    {{ return(0 if target.type == 'duckdb' and not (target.path or '').startswith('md:') else 1) }}
{%- endmacro %}


{#- Days, with the number of their events that play a part and for which a condition holds. -#}
{% macro lf_landed_days(events, roles, condition='1 = 1') -%}
    {%- set days = [] -%}
    {%- set query -%}
        select {{ lf_text('cast(events.occurred_at as date)') }} as day, count(*) as events
        from {{ events }} as events
        inner join {{ roles }} as roles on events.metric_id = roles.metric_id
        where
            events.occurred_at is not null
            and {{ condition }}
        group by cast(events.occurred_at as date)
    {%- endset -%}
    {%- for row in run_query(query).rows -%}
        {%- do days.append([row[0], row[1] | int]) -%}
    {%- endfor -%}
    {{ return(days) }}
{%- endmacro %}


{#-
    How far events have landed: `until`, the newest moment at which a loader landed any; `unknown`, how many do not say; `roles`, a digest of the parts that metrics play; and `counted_on`,
    the day (UTC) of the run, on which its first run counts all events.
-#}
{% macro lf_landed(events, roles) -%}
    {%- set query -%}
        select
            {{ lf_text('max(landed_at)') }} as landed_until,
            count(*) - count(landed_at) as unknown,
            {{ lf_text('cast(' ~ lf_now() ~ ' as date)') }} as counted_on
        from {{ events }}
    {%- endset -%}
    {%- set found = run_query(query).rows[0] -%}
    {%- set parts = [] -%}
    {%- for row in run_query('select metric_id, role from ' ~ roles).rows -%}
        {%- do parts.append(row[0] ~ ' ' ~ row[1]) -%}
    {%- endfor -%}
    {{ return({
        'until': found['landed_until'],
        'unknown': found['unknown'] | int,
        'roles': local_md5(parts | sort | join(', ')),
        'counted_on': found['counted_on'],
    }) }}
{%- endmacro %}


{#-
    The days that a run classifies anew, with the number of their events. Those on which something landed since the last run, and some time before it (lf_landing_hours). What that cannot show is found by counting (lf_days_to_classify): events that are gone, by the first run of each day; those of a metric that plays another
    part, and those of a loader that does not say when they landed, by each run.
-#}
{% macro lf_days_of_news(events, roles, classified, landed) -%}
    {%- do run_query(lf_create_changes_applied()) -%}
    {%- set held = fromjson(
        run_query('select max(rests_on) from ' ~ lf_changes_applied() ~ ' where model_name = ' ~ lf_literal(model.name)).columns[0].values()[0] or '{}'
    ) -%}
    {%- set is_known = held.until and held.unknown == landed.unknown -%}
    {%- set news = [] -%}
    {%- if is_known and held.until != landed.until -%}
        {%- set since = 'events.landed_at > ' ~ lf_dateadd('hour', -1 * lf_landing_hours(), lf_moment(held.until)) -%}
        {%- set days = lf_landed_days(events, roles, since) | map(attribute=0) | list -%}
        {#- A day is classified as a whole. -#}
        {%- do news.extend(lf_landed_days(events, roles, lf_on_days('events.occurred_at', days))) -%}
    {%- endif -%}
    {%- if not (is_known and held.roles == landed.roles and held.counted_on == landed.counted_on) -%}
        {%- for day, number in lf_days_to_classify(events, roles, classified) if day not in news | map(attribute=0) -%}
            {%- do news.append([day, number]) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(news) }}
{%- endmacro %}


{#-
    Days on which another number of events of some role is there than was classified, with the number of their events: new ones, late ones, and those of a metric whose
    role changed; and those on which an earlier version of the project read an amount that is none (`lf_money`).
-#}
{% macro lf_days_to_classify(events, roles, classified) -%}
    {%- if not execute or flags.WHICH not in ('build', 'run') -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set held = adapter.get_columns_in_relation(classified) | map(attribute='name') | map('lower') | list -%}
    {%- if 'is_suspected_bot' not in held -%}
        {%- do exceptions.raise_compiler_error(
            "int_events_classified was made by an earlier version of this project and does not know suspected bots and order numbers. Build it anew:"
            ~ " dbt run --full-refresh --select int_events_classified"
        ) -%}
    {%- endif -%}
    {%- set query -%}
        with

        landed as (

            select
                cast(events.occurred_at as date) as occurred_on,
                roles.role,
                count(*) as events
            from {{ events }} as events
            inner join {{ roles }} as roles on events.metric_id = roles.metric_id
            where events.occurred_at is not null
            group by cast(events.occurred_at as date), roles.role

        ),

        known as (

            select
                occurred_on,
                role,
                count(*) as events,
                sum(case when value is null or abs(value) < {{ lf_double("'1e15'") }} then 0 else 1 end) as unreadable_values
            from {{ classified }}
            group by occurred_on, role

        ),

        compared as (

            select
                coalesce(landed.occurred_on, known.occurred_on) as occurred_on,
                coalesce(landed.events, 0) as events,
                case
                    when coalesce(landed.events, 0) <> coalesce(known.events, 0) or known.unreadable_values > 0 then 1
                    else 0
                end as is_other
            from landed
            full outer join known
                on
                    landed.occurred_on = known.occurred_on
                    and landed.role = known.role

        )

        select {{ lf_text('occurred_on') }} as day, sum(events) as events
        from compared
        group by occurred_on
        having max(is_other) = 1
    {%- endset -%}
    {%- set days = [] -%}
    {%- for row in run_query(query).rows -%}
        {%- if row[0] is none -%}
            {%- do exceptions.raise_compiler_error(
                "int_events_classified holds events without a day, of an earlier version of this project. Build it anew:"
                ~ " dbt run --full-refresh --select int_events_classified"
            ) -%}
        {%- endif -%}
        {%- do days.append([row[0], row[1] | int]) -%}
    {%- endfor -%}
    {{ return(days) }}
{%- endmacro %}


{#- Days that are classified together: lists of days with so many events at most, or of one day. What a piece needs of memory does not grow with the past. -#}
{% macro lf_pieces_of_days(days) -%}
    {%- set pieces, room = [], namespace(left=0) -%}
    {%- for day, events in days | sort -%}
        {%- if not pieces or events > room.left -%}
            {%- do pieces.append([]) -%}
            {%- set room.left = lf_variable('events_per_piece') -%}
        {%- endif -%}
        {%- do pieces[-1].append(day) -%}
        {%- set room.left = room.left - events -%}
    {%- endfor -%}
    {{ return(pieces) }}
{%- endmacro %}
