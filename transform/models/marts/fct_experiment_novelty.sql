{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}

with

days_since as (

    select * from {{ ref('int_days_since_receipt') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

numbers as (

    {{ lf_numbers(lf_variable('novelty_window_days') + 1) }}

),

-- Up to a day counts only who has been seen for so long: all of an arm's people on a day are the same people.
accumulate as (

    select
        days_since.experiment_key,
        days_since.experiment_version,
        days_since.slot_key,
        days_since.arm_key,
        days_since.is_control,
        numbers.number as day,
        {%- for sum in ['units', 'total', 'total_of_squares'] %}
        {{ lf_double('sum(days_since.' ~ sum ~ ')') }} as {{ sum }}{{ ',' if not loop.last }}
        {%- endfor %}

    from days_since
    inner join numbers
        on
            days_since.day <= numbers.number
            and days_since.observed_days >= numbers.number
    group by
        days_since.experiment_key,
        days_since.experiment_version,
        days_since.slot_key,
        days_since.arm_key,
        days_since.is_control,
        numbers.number

),

compare as (

    {{ lf_curve('accumulate', 'experiments', 'outcome_metrics') }}

),

novelty as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,

        ---------- texts
        metric,

        ---------- booleans
        is_control,

        ---------- numerics
        cast(day as {{ lf_type('integer') }}) as day,
        cast(units as {{ lf_type('bigint') }}) as units,
        total,
        mean,
        difference,
        interval_low,
        interval_high

    from compare

)

select * from novelty
