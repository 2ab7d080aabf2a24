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

outcomes as (

    select * from {{ ref('int_outcomes') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

primary_outcomes as (

    select
        outcomes.experiment_key,
        outcomes.experiment_version,
        outcomes.cell,
        sum(outcomes.value) as total,
        sum(outcomes.value * outcomes.value) as total_of_squares

    from outcomes
    inner join experiments
        on
            outcomes.experiment_key = experiments.experiment_key
            and outcomes.experiment_version = experiments.experiment_version
            and outcomes.metric = experiments.primary_metric
    where outcomes.attribution = 'assigned_window'
    group by outcomes.experiment_key, outcomes.experiment_version, outcomes.cell

),

-- Profiles by the arms that they have in two slots; experiments of one slot have none.
pairs as (

    select
        one.experiment_key,
        one.experiment_version,
        one.slot_key,
        one.arm_key,
        other.slot_key as other_slot_key,
        other.arm_key as other_arm_key,
        {{ lf_double('sum(one.units)') }} as n,
        coalesce(sum(primary_outcomes.total), 0e0) as total,
        coalesce(sum(primary_outcomes.total_of_squares), 0e0) as total_of_squares

    from cells as one
    inner join cells as other
        on
            one.experiment_key = other.experiment_key
            and one.experiment_version = other.experiment_version
            and one.cell = other.cell
            and one.slot_key < other.slot_key
    left join primary_outcomes
        on
            one.experiment_key = primary_outcomes.experiment_key
            and one.experiment_version = primary_outcomes.experiment_version
            and one.cell = primary_outcomes.cell
    group by
        one.experiment_key, one.experiment_version, one.slot_key, one.arm_key, other.slot_key, other.arm_key

),

estimate as (

    select
        pairs.*,
        experiments.primary_metric as metric,
        pairs.total / pairs.n as mean,
        {{ lf_unit_variance('outcome_metrics.kind', 'pairs.n', 'pairs.total', 'pairs.total_of_squares') }} / pairs.n as square,
        outcome_metrics.kind,
        arms.is_control,
        other_arms.is_control as other_is_control

    from pairs
    inner join experiments
        on
            pairs.experiment_key = experiments.experiment_key
            and pairs.experiment_version = experiments.experiment_version
    inner join outcome_metrics on experiments.primary_metric = outcome_metrics.metric
    inner join arms
        on
            pairs.experiment_key = arms.experiment_key
            and pairs.experiment_version = arms.experiment_version
            and pairs.slot_key = arms.slot_key
            and pairs.arm_key = arms.arm_key
    inner join arms as other_arms
        on
            pairs.experiment_key = other_arms.experiment_key
            and pairs.experiment_version = other_arms.experiment_version
            and pairs.other_slot_key = other_arms.slot_key
            and pairs.other_arm_key = other_arms.arm_key
    where arms.status <> 'draft'

),

-- How much better the arm does beside the other slot's arm than beside its control.
contrast as {{ lf_fence() }} (

    select
        both_arms.*,
        both_arms.mean - arm_alone.mean - (other_alone.mean - neither.mean) as difference,
        both_arms.square + arm_alone.square + other_alone.square + neither.square as own_square,
        1e0 / both_arms.n + 1e0 / arm_alone.n + 1e0 / other_alone.n + 1e0 / neither.n as inverse_units,
        {{ lf_pooled_variance(
            'both_arms.kind',
            '(both_arms.n + arm_alone.n + other_alone.n + neither.n)',
            '(both_arms.total + arm_alone.total + other_alone.total + neither.total)',
            '(both_arms.total_of_squares + arm_alone.total_of_squares + other_alone.total_of_squares + neither.total_of_squares)'
        ) }} as pooled_variance,
        both_arms.n + arm_alone.n + other_alone.n + neither.n as compared_units

    from estimate as both_arms
    inner join estimate as arm_alone
        on
            both_arms.experiment_key = arm_alone.experiment_key
            and both_arms.experiment_version = arm_alone.experiment_version
            and both_arms.slot_key = arm_alone.slot_key
            and both_arms.arm_key = arm_alone.arm_key
            and both_arms.other_slot_key = arm_alone.other_slot_key
            and arm_alone.other_is_control
    inner join estimate as other_alone
        on
            both_arms.experiment_key = other_alone.experiment_key
            and both_arms.experiment_version = other_alone.experiment_version
            and both_arms.slot_key = other_alone.slot_key
            and other_alone.is_control
            and both_arms.other_slot_key = other_alone.other_slot_key
            and both_arms.other_arm_key = other_alone.other_arm_key
    inner join estimate as neither
        on
            both_arms.experiment_key = neither.experiment_key
            and both_arms.experiment_version = neither.experiment_version
            and both_arms.slot_key = neither.slot_key
            and neither.is_control
            and both_arms.other_slot_key = neither.other_slot_key
            and neither.other_is_control
    where
        not both_arms.is_control
        and not both_arms.other_is_control

),

measure_spread as {{ lf_fence() }} (

    select
        *,
        {{ lf_standard_error(lf_decisive_square('own_square', 'pooled_variance * inverse_units')) }} as spread

    from contrast

),

infer as (

    select
        *,
        {{ lf_always_valid_half_width('spread', 'compared_units') }} as half_width,
        {{ lf_always_valid_p('difference', 'spread', 'compared_units') }} as p_value

    from measure_spread

),

step_p_values as (

    select
        *,
        {{ lf_holm_step('p_value', 'experiment_key', 'slot_key, arm_key, other_slot_key, other_arm_key') }} as holm_step

    from infer

),

adjust_p_values as (

    select
        *,
        {{ lf_holm('p_value', 'holm_step', 'experiment_key', 'slot_key, arm_key, other_slot_key, other_arm_key') }} as p_value_holm

    from step_p_values

),

interactions as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        metric,
        slot_key,
        arm_key,
        other_slot_key,
        other_arm_key,

        ---------- numerics
        difference,
        spread as standard_error,
        difference - half_width as interval_low,
        difference + half_width as interval_high,
        p_value,
        p_value_holm,

        ---------- booleans
        coalesce(p_value_holm < {{ lf_variable('alpha') }}, false) as is_flagged

    from adjust_p_values

)

select * from interactions
