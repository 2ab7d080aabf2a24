{#-
    Days on which another number of events of some role is there than was classified: new ones, late ones, and those of a metric whose
    role changed; and those on which an earlier version of the project read an amount that is none (`lf_money`). As literals, which a warehouse
    applies before it reads a document; joined, it would read them all.
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

        )

        select distinct {{ lf_text('coalesce(landed.occurred_on, known.occurred_on)') }} as day
        from landed
        full outer join known
            on
                landed.occurred_on = known.occurred_on
                and landed.role = known.role
        where
            coalesce(landed.events, 0) <> coalesce(known.events, 0)
            or known.unreadable_values > 0
    {%- endset -%}
    {%- set days = run_query(query).columns[0].values() | list -%}
    {%- if none in days -%}
        {%- do exceptions.raise_compiler_error(
            "int_events_classified holds events without a day, of an earlier version of this project. Build it anew:"
            ~ " dbt run --full-refresh --select int_events_classified"
        ) -%}
    {%- endif -%}
    {{ return(days) }}
{%- endmacro %}
