{#-
    Engagement by day is kept from run to run, and a run makes anew the days whose events are others now. What was counted of a day stands in `int_days_counted`, which is built after what it
    speaks for: a run that is cut off between the two makes those days once more.
-#}

{#-
    The days that a run makes anew, as texts, or none where it makes all of them: those of which something else is known than was counted, and, because an order is credited to a touch before it,
    the days after them up to which a touch reaches.
-#}
{% macro lf_days_of_engagement(classified, events) -%}
    {%- if not execute or flags.WHICH not in ('build', 'run') or not is_incremental() -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set query -%}
        with

        now_counted as (

            {{ lf_counted_days(classified, events) }}

        )

        select distinct {{ lf_text('coalesce(now_counted.occurred_on, known.occurred_on)') }} as day
        from now_counted
        full outer join {{ lf_ledger('int_days_counted') }} as known
            on
                now_counted.occurred_on = known.occurred_on
                and now_counted.counted = known.counted
        where
            now_counted.occurred_on is null
            or known.occurred_on is null
            or now_counted.events <> known.events
            or now_counted.of_people <> known.of_people
            or abs(now_counted.amount - known.amount) >= {{ lf_double("'0.005'") }}
    {%- endset -%}
    {%- set days = [] -%}
    {%- for row in run_query(query).rows -%}
        {%- do days.append(row[0]) -%}
    {%- endfor -%}
    {{ return(lf_days_around(days, 0, lf_touch_days())) }}
{%- endmacro %}


{#- A query: of each day and role how many events there are, how many of them are of people, and their amount; and how many say what Klaviyo credits with them. -#}
{% macro lf_counted_days(classified, events) -%}
    select
        occurred_on,
        role as counted,
        cast(count(*) as {{ lf_type('bigint') }}) as events,
        cast(sum(case when is_human then 1 else 0 end) as {{ lf_type('bigint') }}) as of_people,
        {{ lf_double('coalesce(sum(value), 0)') }} as amount
    from {{ classified }}
    group by occurred_on, role

    union all

    select
        cast(occurred_at as date) as occurred_on,
        '(credited)' as counted,
        cast(count(*) as {{ lf_type('bigint') }}) as events,
        cast(0 as {{ lf_type('bigint') }}) as of_people,
        {{ lf_double('0') }} as amount
    from {{ events }}
    where
        attributions is not null
        and occurred_at is not null
    group by cast(occurred_at as date)
{%- endmacro %}


{#- These days with so many before and after each, in order, each once; none of none. -#}
{% macro lf_days_around(days, before, after) -%}
    {%- if days is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set found = {} -%}
    {%- for day in days -%}
        {%- set date = modules.datetime.date.fromisoformat(day[:10]) -%}
        {%- for number in range(-before, after + 1) -%}
            {%- do found.update({(date + modules.datetime.timedelta(days=number)) | string: true}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found | sort) }}
{%- endmacro %}


{#- Whole days before an order in which a touch can earn it. -#}
{% macro lf_touch_days() -%}
    {{ return(lf_variable('touch_days') | int) }}
{%- endmacro %}


{#- A condition that begins with `and`: a moment is on one of these days; of none, nothing. -#}
{% macro lf_and_on_days(moment, days) -%}
    {%- if days is not none -%}
        and {{ lf_on_days(moment, days) }}
    {%- endif -%}
{%- endmacro %}


{#- For a `pre_hook`: of the days that are made anew nothing stays, also where no event is left of one. -#}
{% macro lf_forget_days(days) -%}
    {%- if days -%}
        {{ return(lf_delete_rows(this, lf_on_days('occurred_on', days))) }}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
