{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true}) }}
{%- set changes = lf_changes(['int_outcome_days', 'int_units'], [
    'select experiment_key, experiment_version, primary_metric from ' ~ ref('stg_experiments__experiments'),
    'select experiment_key, experiment_version, metric, cap from ' ~ ref('int_value_caps'),
    'select ' ~ lf_variable('novelty_days') ~ ' as novelty_days',
]) %}
{%- set unit = 'experiment_key, experiment_version, profile_id' %}

with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

units as (

    select * from {{ ref('int_units') }}

),

outcome_days as (

    select * from {{ ref('int_outcome_days') }}

),

caps as (

    select * from {{ ref('int_value_caps') }}

),

-- An outcome of a message that came before the receipt's own event is of day 0.
primary_days as (

    select
        outcome_days.experiment_key,
        outcome_days.experiment_version,
        outcome_days.profile_id,
        outcome_days.metric,
        outcome_days.occurred_on,
        outcome_days.value,
        units.cell,
        cast(units.received_at as date) as received_on,
        case
            when units.received_at is not null then {{ lf_larger(lf_days_between('units.received_at', 'outcome_days.occurred_on'), '0') }}
        end as day

    from outcome_days
    inner join experiments
        on
            outcome_days.experiment_key = experiments.experiment_key
            and outcome_days.experiment_version = experiments.experiment_version
            and outcome_days.metric = experiments.primary_metric
    inner join units
        on
            outcome_days.experiment_key = units.experiment_key
            and outcome_days.experiment_version = units.experiment_version
            and outcome_days.profile_id = units.profile_id
    where
        outcome_days.attribution = 'assigned_window'
        {{ lf_is_changed(changes, 'outcome_days.profile_id') }}
        {{ lf_is_not_over(changes, 'outcome_days.experiment_key') }}

),

add_up as (

    select
        *,
        sum(value) over (
            partition by {{ unit }}
            order by occurred_on
            rows between unbounded preceding and current row
        ) as value_so_far,
        coalesce(sum(case when day < {{ lf_variable('novelty_days') }} then value end) over (partition by {{ unit }}), 0e0) as first_value

    from primary_days

),

cap_days as (

    select
        add_up.*,
        least(add_up.value_so_far, coalesce(caps.cap, add_up.value_so_far)) as capped_value,
        least(add_up.first_value, coalesce(caps.cap, add_up.first_value)) as capped_first_value

    from add_up
    left join caps
        on
            add_up.experiment_key = caps.experiment_key
            and add_up.experiment_version = caps.experiment_version
            and add_up.metric = caps.metric

),

split_days as (

    select
        *,
        case when day >= {{ lf_variable('novelty_days') }} then capped_value - capped_first_value else 0e0 end as later_value

    from cap_days

),

-- What a day adds to the sums and to the sums of squares of everything up to it: so the squares add over days too.
add_by_day as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        profile_id,

        ---------- texts
        cell,

        ---------- dates
        occurred_on,
        received_on,

        ---------- numerics
        cast(day as {{ lf_type('integer') }}) as day,
        capped_value - lag(capped_value, 1, {{ lf_double('0') }}) over (partition by {{ unit }} order by occurred_on) as added,
        {%- for value, name in {'capped_value': 'added_squares', 'later_value': 'added_later_squares'}.items() %}
        {{ value }} * {{ value }} - power(
            lag({{ value }}, 1, {{ lf_double('0') }}) over (partition by {{ unit }} order by occurred_on), 2
        ) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}

    from split_days

)

select * from add_by_day
