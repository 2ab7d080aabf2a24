{#-
    Replays experiments without a difference over the account's own profiles and events, each with a salt of its own and two arms:
    the share that comes out significant says whether hash and arithmetic hold on these data. It changes nothing.

        dbt run-operation aa_replay --args '{metric: revenue, days: 60}'

    `salts` (at most 8,000) begin at `first`; `profiles` is how many take part, chosen by hash. It fails when the share of
    p-values below 0.05 lies outside what 95 in 100 replays give: for 1,000 salts, 3.6 to 6.4 %.
-#}
{% macro aa_replay(metric='opened', days=90, salts=1000, first=0, profiles=20000) %}
    {%- do lf_kind_of_outcome(metric) -%}
    {%- set row = run_query(lf_aa_replay(metric, days, salts, first, profiles)).rows[0] -%}
    {%- set replays, people, converted, significant, valid = row[0] | int, row[1] | int, row[2] | int, row[3] | int, row[4] | int -%}
    {%- set share = 100 * significant / ([replays, 1] | max) -%}
    {%- set margin = 1.4 * (1000 / ([replays, 1] | max)) ** 0.5 -%}
    {%- set told = [
        replays ~ ' replays over ' ~ people ~ ' profiles, ' ~ converted ~ ' of whom ' ~ metric ~ ' in ' ~ days ~ ' days:',
        '%.1f' | format(share) ~ ' % have p < 0.05 (' ~ '%.1f' | format(5 - margin) ~ ' to ' ~ '%.1f' | format(5 + margin) ~ ' % are expected);',
        '%.1f' | format(100 * valid / ([replays, 1] | max)) ~ ' % have an always-valid p < ' ~ lf_variable('alpha') ~ ' (that or fewer are expected).',
    ] | join(' ') -%}
    {%- if replays < salts or converted < 30 -%}
        {%- do exceptions.raise_compiler_error(told ~ ' Too few to tell: widen `days`, or choose another metric.') -%}
    {%- elif (share - 5) | abs > margin -%}
        {%- do exceptions.raise_compiler_error(told ~ ' That is outside: replay with other salts (`first: ' ~ (first + salts) ~ '`); outside again, do not trust p-values on these data.') -%}
    {%- endif -%}
    {%- do print(told) -%}
{% endmacro %}


{#- The query of it: one row of counts. Difference of two means, unequal variances. -#}
{% macro lf_aa_replay(metric, days, salts, first, profiles) -%}
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

tries as (

    {{ lf_numbers(salts) }}

),

choose_profiles as (

    select
        profile_id,
        row_number() over (order by {{ lf_md5("'aa-' || profile_id") }}, profile_id) as place
    from {{ ref('stg_klaviyo__profiles') }}
    where profile_id <> ''

),

outcomes as (

    select
        events.profile_id,
        {{ lf_outcome('counted_role.aggregation', 'events.value') }} as outcome

    from events
    inner join roles on events.metric_id = roles.metric_id
    inner join counted_role on roles.role = counted_role.role
    left join event_roles on roles.role = event_roles.role
    where
        {{ lf_is_unflagged('event_roles') }}
        and events.occurred_at >= {{ lf_dateadd('day', '-' ~ days, lf_now()) }}
        and events.occurred_at < {{ lf_now() }}
    group by events.profile_id

),

units as (

    select
        choose_profiles.profile_id,
        coalesce(outcomes.outcome, 0) as outcome

    from choose_profiles
    left join outcomes on choose_profiles.profile_id = outcomes.profile_id
    where choose_profiles.place <= {{ profiles }}

),

split as (

    select
        tries.number,
        units.outcome,
        case when {{ lf_bucket("'aa-' || " ~ lf_text('tries.number + ' ~ first), 'units.profile_id') }} < 5000 then 0 else 1 end as arm

    from units
    cross join tries

),

moments as (

    select
        number,
        arm,
        count(*) as units,
        sum(case when outcome > 0 then 1 else 0 end) as converted,
        sum(outcome) / count(*) as mean,
        (sum(outcome * outcome) - sum(outcome) * sum(outcome) / count(*)) / nullif(count(*) - 1, 0) as variance

    from split
    group by number, arm

),

compare as (

    select
        control.units + other.units as units,
        control.converted + other.converted as converted,
        other.mean - control.mean as difference,
        nullif(sqrt(control.variance / control.units + other.variance / other.units), 0) as standard_error

    from moments as control
    inner join moments as other on control.number = other.number
    where
        control.arm = 0
        and other.arm = 1

),

test as (

    select
        units,
        converted,
        -abs(difference / standard_error) as z,
        {{ lf_always_valid_p('difference', 'standard_error', 'units') }} as valid_p_value
    from compare
    where standard_error is not null

)

select
    count(*) as replays,
    coalesce(max(units), 0) as people,
    coalesce(max(converted), 0) as converted,
    coalesce(sum(case when 2 * ({{ lf_phi('z') }}) < 0.05 then 1 else 0 end), 0) as significant,
    coalesce(sum(case when valid_p_value < {{ lf_variable('alpha') }} then 1 else 0 end), 0) as valid
from test
{%- endmacro %}
