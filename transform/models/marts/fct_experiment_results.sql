{#- A row outlives its definition: of an earlier version or a deleted experiment it keeps what was measured last. -#}
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

moments as (

    select * from {{ ref('int_moments') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

-- Revenue is a mean with its sample variance, the others are proportions.
estimate as (

    select
        *,
        total / nullif(units, 0) as mean,
        case
            when metric = 'revenue'
                then (total_of_squares - total * total / nullif(units, 0)) / nullif(units - 1, 0)
            else total / nullif(units, 0) * (1e0 - total / nullif(units, 0))
        end as variance

    from moments

),

controls as (

    select * from estimate
    where is_control

),

compare as (

    select
        estimate.*,
        controls.mean as control_mean,
        estimate.units + controls.units as compared_units,
        estimate.mean - controls.mean as difference,
        sqrt(estimate.variance / nullif(estimate.units, 0) + controls.variance / nullif(controls.units, 0))
            as standard_error

    from estimate
    left join controls
        on
            estimate.experiment_key = controls.experiment_key
            and estimate.experiment_version = controls.experiment_version
            and estimate.slot_key = controls.slot_key
            and estimate.metric = controls.metric
            and not estimate.is_control

),

-- More unsubscribes is worse: the gain is the difference turned so that more is better. No spread, no inference.
orient as (

    select
        *,
        case when metric = 'unsubscribed' then -difference else difference end as gain,
        nullif(standard_error, 0) as spread

    from compare

),

infer as (

    select
        *,
        {{ lf_always_valid_half_width('spread', 'compared_units') }} as half_width,
        {{ lf_always_valid_p('difference', 'spread', 'compared_units') }} as p_value,
        {{ lf_chance_to_win('gain', 'spread') }} as chance_to_win,
        {{ lf_expected_loss('gain', 'spread') }} as expected_loss

    from orient

),

results as (

    select
        ---------- ids
        infer.experiment_key,
        infer.experiment_version,
        infer.slot_key,
        infer.arm_key,
        infer.metric,

        ---------- booleans
        infer.is_control,
        infer.metric = experiments.primary_metric as is_primary,

        ---------- numerics
        infer.units,
        infer.received,
        infer.total,
        infer.mean,
        infer.variance,
        infer.control_mean,
        infer.difference,
        infer.standard_error,
        infer.difference / nullif(abs(infer.control_mean), 0) as relative_lift,
        infer.difference - infer.half_width as interval_low,
        infer.difference + infer.half_width as interval_high,
        infer.p_value,
        infer.chance_to_win,
        infer.expected_loss,

        ---------- timestamps
        {{ lf_now() }} as measured_at

    from infer
    inner join experiments on infer.experiment_key = experiments.experiment_key

)

select * from results
