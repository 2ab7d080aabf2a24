{{ config(**lf_outlives_definition()) }}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

cells as (

    select * from {{ ref('int_cells') }}

),

primary_days as (

    select * from {{ ref('int_primary_days') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

sum_days as (

    select
        experiment_key,
        experiment_version,
        cell,
        occurred_on,
        sum(added) as total,
        sum(added_squares) as total_of_squares

    from primary_days
    group by experiment_key, experiment_version, cell, occurred_on

),

changes as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        assigned_on as day,
        sum(units) as units,
        {{ lf_double('0') }} as total,
        {{ lf_double('0') }} as total_of_squares
    from cells
    group by experiment_key, experiment_version, slot_key, arm_key, assigned_on

    union all

    select
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,
        sum_days.occurred_on as day,
        0 as units,
        sum(sum_days.total) as total,
        sum(sum_days.total_of_squares) as total_of_squares
    from cells
    inner join sum_days
        on
            cells.experiment_key = sum_days.experiment_key
            and cells.experiment_version = sum_days.experiment_version
            and cells.cell = sum_days.cell
    group by cells.experiment_key, cells.experiment_version, cells.slot_key, cells.arm_key, sum_days.occurred_on

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
