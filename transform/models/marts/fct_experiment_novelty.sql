{#-
    A row outlives its definition: of an earlier version or a deleted experiment it keeps what was measured last.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key=['experiment_key', 'experiment_version'],
        partition_by=lf_replace_partition(['experiment_key', 'experiment_version']),
        full_refresh=false,
        on_schema_change='append_new_columns',
    )
}}

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

    {{ lf_numbers(var('novelty_window_days') + 1) }}

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

estimate as (

    select
        accumulate.*,
        experiments.primary_metric as metric,
        outcome_metrics.kind,
        accumulate.total / nullif(accumulate.units, 0) as mean,
        {{ lf_unit_variance('outcome_metrics.kind', 'accumulate.units', 'accumulate.total', 'accumulate.total_of_squares') }}
            / nullif(accumulate.units, 0) as square

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
        difference - half_width as interval_low,
        difference + half_width as interval_high

    from infer

)

select * from novelty
