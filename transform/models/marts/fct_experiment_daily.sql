{{ config(**lf_outlives_definition()) }}

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

compare as (

    {{ lf_curve('accumulate', 'experiments', 'outcome_metrics') }}

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
        interval_low,
        interval_high

    from compare

)

select * from daily
