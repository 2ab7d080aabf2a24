{#-
    What an experiment could find, before it begins: from what the account's messages of the last `days` did. It changes nothing.

        dbt run-operation plan_experiment --args '{metric: clicked, profiles: 20000, arms: 3, effect: 0.1}'

    `profiles` is the audience, dealt to the `arms` in equal parts; `effect` is the relative one that shall be found, with the chance
    `power`. What counts for the attribution window counts within `window` days of a message.
-#}
{% macro plan_experiment(metric='clicked', profiles=20000, arms=2, effect=none, days=90, window=5) %}
    {%- set kind = lf_kind_of_outcome(metric) -%}
    {%- set effect = effect or var('minimum_detectable_effect') -%}
    {%- set row = run_query(lf_plan_experiment(metric, profiles, arms, effect, days, window)).rows[0] -%}
    {%- set receipts, converted = row[0] | int, row[1] | int -%}
    {%- if converted < 30 -%}
        {%- do exceptions.raise_compiler_error(
            'Of ' ~ receipts ~ ' receipts in ' ~ days ~ ' days ' ~ converted ~ ' led to what is measured (' ~ metric
            ~ '): too few to plan by. Widen `days`, or choose another metric.'
        ) -%}
    {%- endif -%}
    {%- set mean, now, at_end, needed = row[2] | float, row[3] | float, row[4] | float, row[5] | float -%}
    {%- set told = [
        receipts ~ ' receipts in ' ~ days ~ ' days: ' ~ ('%.2f' | format(mean) ~ ' of ' ~ metric ~ ' each.' if kind == 'mean'
            else '%.2f' | format(100 * mean) ~ ' % ' ~ metric ~ '.'),
        profiles ~ ' profiles in ' ~ arms ~ ' arms find a lift of ' ~ '%.1f' | format(100 * now) ~ ' % in '
            ~ '%.0f' | format(100 * var('power')) ~ ' of 100 cases, looked at whenever one likes; ' ~ '%.1f' | format(100 * at_end)
            ~ ' % if looked at once, at the end.',
        'A lift of ' ~ '%g' | format(100 * effect) ~ ' % takes ' ~ '%.0f' | format(needed) ~ ' profiles.',
    ] | join(' ') -%}
    {%- do print(told) -%}
{% endmacro %}


{#- The query of it: receipts, those that counted, their mean, the two lifts that can be found, and the profiles that `effect` takes. -#}
{% macro lf_plan_experiment(metric, profiles, arms, effect, days, window) -%}
with

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

roles as (

    select * from {{ ref('int_metric_roles') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

counted_roles as (

    {{ lf_counted_roles('outcome_metrics') }}

),

counted_role as (

    select * from counted_roles
    where
        metric = '{{ metric }}'
        and sign = 1

),

receipts as (

    select
        events.profile_id,
        events.message_id,
        min(events.occurred_at) as received_at

    from events
    inner join roles on events.metric_id = roles.metric_id
    where
        roles.role = 'received'
        and events.message_id is not null
        and events.profile_id is not null
        and events.occurred_at >= {{ lf_dateadd('day', '-' ~ days, lf_now()) }}
        and events.occurred_at < {{ lf_now() }}
    group by events.profile_id, events.message_id

),

outcomes as (

    select
        receipts.profile_id,
        receipts.message_id,
        {{ lf_outcome('counted_role.aggregation', 'events.value') }} as outcome

    from receipts
    inner join events on receipts.profile_id = events.profile_id
    inner join roles on events.metric_id = roles.metric_id
    inner join counted_role on roles.role = counted_role.role
    left join event_roles on roles.role = event_roles.role
    where
        {{ lf_is_human('events', 'event_roles') }}
        and case counted_role.time_window
            when 'message' then events.message_id = receipts.message_id
            else
                events.occurred_at >= receipts.received_at
                and events.occurred_at
                <= {{ lf_dateadd('day', 'cast(coalesce(' ~ lf_number('counted_role.time_window') ~ ', ' ~ window ~ ') as ' ~ lf_type('integer') ~ ')', 'receipts.received_at') }}
        end
    group by receipts.profile_id, receipts.message_id

),

moments as (

    select
        {{ lf_double('count(*)') }} as receipts,
        sum(case when outcomes.outcome > 0 then 1 else 0 end) as converted,
        {{ lf_double('coalesce(sum(outcomes.outcome), 0)') }} as total,
        {{ lf_double('coalesce(sum(outcomes.outcome * outcomes.outcome), 0)') }} as total_of_squares

    from receipts
    left join outcomes
        on
            receipts.profile_id = outcomes.profile_id
            and receipts.message_id = outcomes.message_id

),

-- Two of the arms are compared, each as large as the others.
plan as {{ lf_fence() }} (

    select
        receipts,
        converted,
        total / nullif(receipts, 0) as mean,
        {{ lf_sample_variance('receipts', 'total', 'total_of_squares') }} / {{ lf_double(profiles / arms) }} as square,
        {{ lf_root('2e0 * ' ~ lf_sample_variance('receipts', 'total', 'total_of_squares') ~ ' / ' ~ lf_double(profiles / arms)) }} as se,
        {{ lf_double(effect) }} * total / nullif(receipts, 0) as effect,
        {{ lf_double(2 * profiles / arms) }} as n,
        {{ lf_power_z() }} as power_z,
        {{ lf_two_sided_z() }} + {{ lf_power_z() }} as k

    from moments

),

needs as (

    {{ lf_units_needed('plan', 'effect', 'se', 'n', 'power_z') }}

)

select
    receipts,
    coalesce(converted, 0) as converted,
    mean,
    ({{ lf_always_valid_half_width('se', 'n') }} + power_z * se) / nullif(mean, 0) as lift_at_any_time,
    {{ lf_relative_mde('mean', 'square', 'k') }} as lift_at_the_end,
    needed * {{ lf_double(profiles) }} as profiles_needed
from needs
{%- endmacro %}
