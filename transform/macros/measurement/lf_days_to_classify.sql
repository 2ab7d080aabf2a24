{#-
    A condition: the events that this run classifies. Of days that are classified piece by piece (materialization `by_days`) it only carries the list of them, and the
    materialization puts each piece's days in its place.
-#}
{% macro lf_days_filter(events, roles, classified) -%}
    {%- if execute and flags.WHICH in ('build', 'run') and config.get('materialized') == 'by_days' -%}
        {%- set is_whole = load_cached_relation(this) is none or flags.FULL_REFRESH -%}
        {%- set days = lf_landed_days(events, roles) if is_whole else lf_days_to_classify(events, roles, classified) -%}
        1 = 1 /* lf_days {{ tojson({'is_whole': is_whole, 'days': days}) }} */
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


{#- All days, with the number of their events that play a part. -#}
{% macro lf_landed_days(events, roles) -%}
    {%- set days = [] -%}
    {%- set query -%}
        select {{ lf_text('cast(events.occurred_at as date)') }} as day, count(*) as events
        from {{ events }} as events
        inner join {{ roles }} as roles on events.metric_id = roles.metric_id
        where events.occurred_at is not null
        group by cast(events.occurred_at as date)
    {%- endset -%}
    {%- for row in run_query(query).rows -%}
        {%- do days.append([row[0], row[1] | int]) -%}
    {%- endfor -%}
    {{ return(days) }}
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
