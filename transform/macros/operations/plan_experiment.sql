{#-
    What an experiment could find, before it begins: from what the account's messages of the last `days` did. It changes nothing.

        dbt run-operation plan_experiment --args '{metric: clicked, profiles: 20000, arms: 3, effect: 0.1}'
        dbt run-operation plan_experiment --args '{metric: revenue, profiles: 200000, control_share: 20}'

    `profiles` is the audience, dealt to the `arms` in equal parts, or to the control `control_share` per cent of it and to the others equal parts of
    the rest; `effect` is the relative one that shall be found, with the chance `power`. What counts for the attribution window counts within `window`
    days of a message.
-#}
{% macro plan_experiment(metric='clicked', profiles=20000, arms=2, effect=none, days=90, window=5, control_share=none) %}
    {%- set kind = lf_kind_of_outcome(metric) -%}
    {%- set effect = effect or lf_variable('minimum_detectable_effect') -%}
    {%- if arms < 2 or not 0 < (control_share or 50) < 100 -%}
        {%- do exceptions.raise_compiler_error('`arms` is 2 or more, `control_share` a per cent above 0 and below 100') -%}
    {%- endif -%}
    {%- set control = control_share / 100 if control_share else 1 / arms -%}
    {%- set row = run_query(lf_plan_experiment(metric, kind, profiles, control, (1 - control) / (arms - 1), effect, days, window)).rows[0] -%}
    {%- set receipts, converted, people = row[0] | int, row[1] | int, row[2] | int -%}
    {%- if converted < 30 -%}
        {%- do exceptions.raise_compiler_error(
            'Of ' ~ receipts ~ ' receipts in ' ~ days ~ ' days ' ~ converted ~ ' led to what is measured (' ~ metric
            ~ '): too few to plan by. Widen `days`, or choose another metric.'
        ) -%}
    {%- endif -%}
    {%- set mean, now, at_end, needed = row[3] | float, row[4] | float, row[5], row[6] | float -%}
    {%- set needed_at_end, chance, chance_at_end = row[7] | float, row[8] | float, row[9] | float -%}
    {%- set lift, per_day = '%g' | format(100 * effect) ~ ' %', people / days -%}
    {%- set told = [
        receipts ~ ' receipts in ' ~ days ~ ' days: ' ~ ('%.2f' | format(mean) ~ ' of ' ~ metric ~ ' each.' if kind == 'mean'
            else '%.2f' | format(100 * mean) ~ ' % ' ~ metric ~ '.'),
        profiles ~ ' profiles in ' ~ arms ~ ' arms' ~ (', ' ~ '%g' | format(100 * control) ~ ' % of them the control,' if control_share else '')
            ~ ' find a lift of ' ~ '%.1f' | format(100 * now) ~ ' % in ' ~ '%.0f' | format(100 * lf_variable('power'))
            ~ ' of 100 cases, looked at whenever one likes (`decision: always`); '
            ~ ('none of any size' if at_end is none else '%.1f' | format(100 * (at_end | float)) ~ ' %') ~ ' if looked at once (`decision: fixed`).',
        'A lift of ' ~ lift ~ ' is found by them in ' ~ lf_cases(chance) ~ ' and ' ~ lf_cases(chance_at_end) ~ ' of 100 cases.',
        'In ' ~ '%.0f' | format(100 * lf_variable('power')) ~ ' of 100 cases it takes ' ~ '%.0f' | format(needed) ~ ' profiles looked at whenever one likes, '
            ~ '%.0f' | format(needed_at_end) ~ ' looked at once.',
        'Those are ' ~ lf_days_of(needed, per_day) ~ ' and ' ~ lf_days_of(needed_at_end, per_day) ~ ' of as many different recipients as in the last ' ~ days ~ ' days.',
    ] | join(' ') -%}
    {%- do print(told) -%}
{% endmacro %}


{#- A chance as cases of 100. -#}
{% macro lf_cases(chance) -%}
    {{ return('less than 1' if chance < 0.01 else 'more than 99' if chance > 0.99 else '%.0f' | format(100 * chance)) }}
{%- endmacro %}


{#- Days until so many profiles have received something. -#}
{% macro lf_days_of(profiles, per_day) -%}
    {%- set days = (profiles / per_day) | round(0, 'ceil') | int -%}
    {{ return('1 day' if days == 1 else days ~ ' days') }}
{%- endmacro %}


{#-
    The query of it: receipts, those that counted, different recipients, their mean, the lifts that can be found always and once, the profiles that `effect` takes
    always and once, and the chances that `profiles` find it. `control` and `arm` are the shares of the two arms that are compared.
-#}
{% macro lf_plan_experiment(metric, kind, profiles, control, arm, effect, days, window) -%}
{%- set control_n, arm_n = lf_double(profiles * control), lf_double(profiles * arm) -%}
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
        metric = {{ lf_literal(metric) }}
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
        {{ lf_is_unflagged('event_roles') }}
        and case counted_role.time_window
            when 'message' then events.message_id = receipts.message_id
            else
                events.occurred_at >= receipts.received_at
                and events.occurred_at
                <= {{ lf_dateadd('day', 'coalesce(' ~ lf_integer('counted_role.time_window') ~ ', ' ~ window ~ ')', 'receipts.received_at') }}
        end
    group by receipts.profile_id, receipts.message_id

),

moments as (

    select
        {{ lf_double('count(*)') }} as receipts,
        count(distinct receipts.profile_id) as people,
        sum(case when outcomes.outcome > 0 then 1 else 0 end) as converted,
        {{ lf_double('coalesce(sum(outcomes.outcome), 0)') }} as total,
        {{ lf_double('coalesce(sum(outcomes.outcome * outcomes.outcome), 0)') }} as total_of_squares

    from receipts
    left join outcomes
        on
            receipts.profile_id = outcomes.profile_id
            and receipts.message_id = outcomes.message_id

),

estimate as {{ lf_fence() }} (

    select
        *,
        total / nullif(receipts, 0) as mean,
        {{ lf_sample_variance('receipts', 'total', 'total_of_squares') }} as variance

    from moments

),

lift as {{ lf_fence() }} (

    select
        *,
        {{ lf_lifted_variance(kind, 'mean', 'variance', lf_double(effect)) }} as lifted_variance

    from estimate

),

-- The control and the smallest arm beside it are compared, by the spread that decides.
plan as {{ lf_fence() }} (

    select
        receipts,
        converted,
        people,
        mean,
        {{ lf_standard_error(lf_larger(
            '(variance / ' ~ control_n ~ ' + lifted_variance / ' ~ arm_n ~ ')',
            '((' ~ control_n ~ ' * variance + ' ~ arm_n ~ ' * lifted_variance) / (' ~ control_n ~ ' * ' ~ arm_n ~ '))'
        )) }} as se,
        {{ lf_double(effect) }} * mean as effect,
        {{ control_n }} + {{ arm_n }} as n,
        {{ lf_power_z() }} as power_z,
        {{ lf_two_sided_z() }} as two_sided_z,
        {{ lf_two_sided_z() }} + {{ lf_power_z() }} as k

    from lift

),

needs as (

    {{ lf_units_needed('plan', 'effect', 'se', 'n', 'power_z') }}

),

widths as {{ lf_fence() }} (

    select
        *,
        {{ lf_always_valid_half_width('se', 'n') }} as half_width,
        two_sided_z * se as half_width_at_end
    from needs

)

select
    receipts,
    coalesce(converted, 0) as converted,
    people,
    mean,
    (half_width + power_z * se) / nullif(mean, 0) as lift_at_any_time,
    {{ lf_relative_mde('mean', '(se * se / 2e0)', 'k') }} as lift_at_the_end,
    needed * {{ lf_double(profiles) }} as profiles_needed,
    power(k * se / nullif(effect, 0), 2) * {{ lf_double(profiles) }} as profiles_needed_at_the_end,
    {{ lf_power('effect', 'se', 'half_width') }} as chance,
    {{ lf_power('effect', 'se', 'half_width_at_end') }} as chance_at_the_end
from widths
{%- endmacro %}
