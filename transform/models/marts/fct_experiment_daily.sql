{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key=['experiment_key', 'experiment_version'],
        partition_by=lf_replace_partition(['experiment_key', 'experiment_version']),
        full_refresh=false,
        on_schema_change='fail',
    )
}}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

outcome_days as (

    select * from {{ ref('int_outcome_days') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

caps as (

    select * from {{ ref('int_value_caps') }}

),

primary_days as (

    select
        outcome_days.experiment_key,
        outcome_days.experiment_version,
        outcome_days.profile_id,
        outcome_days.metric,
        outcome_days.occurred_on,
        sum(outcome_days.value) over (
            partition by outcome_days.experiment_key, outcome_days.experiment_version, outcome_days.profile_id
            order by outcome_days.occurred_on
            rows between unbounded preceding and current row
        ) as value_so_far

    from outcome_days
    inner join experiments
        on
            outcome_days.experiment_key = experiments.experiment_key
            and outcome_days.experiment_version = experiments.experiment_version
            and outcome_days.metric = experiments.primary_metric
    where outcome_days.attribution = 'assigned_window'

),

cap_days as (

    select
        primary_days.*,
        least(primary_days.value_so_far, coalesce(caps.cap, primary_days.value_so_far)) as value

    from primary_days
    left join caps
        on
            primary_days.experiment_key = caps.experiment_key
            and primary_days.experiment_version = caps.experiment_version
            and primary_days.metric = caps.metric

),

-- What a day adds to the sum and to the sum of squares of everything up to it: so the squares add over days too.
add_by_day as (

    select
        *,
        value - lag(value, 1, {{ lf_double('0') }}) over (
            partition by experiment_key, experiment_version, profile_id order by occurred_on
        ) as added,
        value * value - power(lag(value, 1, {{ lf_double('0') }}) over (
            partition by experiment_key, experiment_version, profile_id order by occurred_on
        ), 2) as added_squares

    from cap_days

),

units as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        assignments.profile_id,
        cast(assignments.assigned_at as date) as assigned_on

    from assignments
    inner join arms
        on
            assignments.experiment_key = arms.experiment_key
            and assignments.experiment_version = arms.experiment_version
            and assignments.slot_key = arms.slot_key
            and assignments.arm_key = arms.arm_key

),

changes as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        assigned_on as day,
        count(*) as units,
        {{ lf_double('0') }} as total,
        {{ lf_double('0') }} as total_of_squares
    from units
    group by experiment_key, experiment_version, slot_key, arm_key, assigned_on

    union all

    select
        units.experiment_key,
        units.experiment_version,
        units.slot_key,
        units.arm_key,
        add_by_day.occurred_on as day,
        0 as units,
        sum(add_by_day.added) as total,
        sum(add_by_day.added_squares) as total_of_squares
    from units
    inner join add_by_day
        on
            units.experiment_key = add_by_day.experiment_key
            and units.experiment_version = add_by_day.experiment_version
            and units.profile_id = add_by_day.profile_id
    group by units.experiment_key, units.experiment_version, units.slot_key, units.arm_key, add_by_day.occurred_on

),

days as (

    select distinct
        experiment_key,
        experiment_version,
        slot_key,
        day
    from changes

),

-- Every arm has every day on which something happened in any, so that the curves can be compared.
fill_days as (

    select
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,
        arms.is_control,
        days.day,
        coalesce(sum(changes.units), 0) as units,
        coalesce(sum(changes.total), 0) as total,
        coalesce(sum(changes.total_of_squares), 0) as total_of_squares

    from arms
    inner join days
        on
            arms.experiment_key = days.experiment_key
            and arms.experiment_version = days.experiment_version
            and arms.slot_key = days.slot_key
    left join changes
        on
            arms.experiment_key = changes.experiment_key
            and arms.experiment_version = changes.experiment_version
            and arms.slot_key = changes.slot_key
            and arms.arm_key = changes.arm_key
            and days.day = changes.day
    group by
        arms.experiment_key, arms.experiment_version, arms.slot_key, arms.arm_key, arms.is_control, days.day

),

accumulate as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        is_control,
        day,
        {%- for sum in ['units', 'total', 'total_of_squares'] %}
        {{ lf_double('sum(' ~ sum ~ ') over (
            partition by experiment_key, experiment_version, slot_key, arm_key
            order by day
            rows between unbounded preceding and current row
        )') }} as {{ sum }}{{ ',' if not loop.last }}
        {%- endfor %}

    from fill_days

),

estimate as (

    select
        accumulate.*,
        experiments.primary_metric as metric,
        accumulate.total / nullif(accumulate.units, 0) as mean,
        {{ lf_unit_variance('outcome_metrics.kind', 'accumulate.units', 'accumulate.total', 'accumulate.total_of_squares') }}
            / nullif(accumulate.units, 0) as square,
        outcome_metrics.kind

    from accumulate
    inner join experiments
        on
            accumulate.experiment_key = experiments.experiment_key
            and accumulate.experiment_version = experiments.experiment_version
    inner join outcome_metrics on experiments.primary_metric = outcome_metrics.metric

),

pair as {{ lf_fence() }} (

    select
        estimate.*,
        controls.units as control_units,
        estimate.square + controls.square as own_square,
        estimate.units + controls.units as compared_units,
        estimate.mean - controls.mean as difference,
        {{ lf_pooled_variance(
            'estimate.kind', '(estimate.units + controls.units)', '(estimate.total + controls.total)',
            '(estimate.total_of_squares + controls.total_of_squares)'
        ) }} as both_variance

    from estimate
    left join estimate as controls
        on
            estimate.experiment_key = controls.experiment_key
            and estimate.experiment_version = controls.experiment_version
            and estimate.slot_key = controls.slot_key
            and estimate.day = controls.day
            and controls.is_control
            and estimate.is_control <> controls.is_control

),

-- The end of the curve is the interval of the result, unless that is adjusted for what was before.
compare as {{ lf_fence() }} (

    select
        *,
        {{ lf_standard_error(lf_decisive_square('own_square', lf_pooled_square('both_variance', 'units', 'control_units'))) }} as spread

    from pair

),

infer as (

    select
        *,
        {{ lf_always_valid_half_width('spread', 'compared_units') }} as half_width

    from compare

),

daily as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        metric,

        ---------- dates
        day,

        ---------- numerics
        cast(units as {{ lf_type('bigint') }}) as units,
        total,
        mean,
        difference,
        difference - half_width as interval_low,
        difference + half_width as interval_high

    from infer

)

select * from daily
