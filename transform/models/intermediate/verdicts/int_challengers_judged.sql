with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

results as (

    select * from {{ ref('fct_experiment_results') }}

),

guardrails as (

    select * from {{ ref('fct_experiment_guardrails') }}

),

-- Each with the estimate that decides: the adjusted one, where something was known from before the assignment.
challengers as (

    select
        results.experiment_key,
        results.experiment_version,
        results.slot_key,
        results.arm_key,
        case when results.estimator = 'cuped' then results.cuped_difference else results.difference end as effect,
        case when results.estimator = 'cuped' then results.cuped_low else results.interval_low end as effect_low,
        case when results.estimator = 'cuped' then results.cuped_high else results.interval_high end as effect_high,
        case when results.estimator = 'cuped' then results.cuped_standard_error else results.standard_error end as effect_error,
        results.control_mean,
        results.p_value_holm,
        results.chance_to_win,
        results.expected_loss,
        results.relative_lift,
        experiments.status = 'ended'
        and (experiments.planned_stop_on is null or experiments.planned_stop_on <= cast({{ lf_now() }} as date)) as has_reached_planned_end,
        coalesce(experiments.minimum_detectable_effect, {{ lf_double(var('minimum_detectable_effect')) }}) as effect_of_interest

    from results
    inner join experiments
        on
            results.experiment_key = experiments.experiment_key
            and results.experiment_version = experiments.experiment_version
    where
        results.is_decisive
        and not results.is_control
        and results.units > 0

),

-- Of several guarded metrics that block an arm, the first by name is told.
find_blocking as (

    select
        *,
        row_number() over (
            partition by experiment_key, experiment_version, slot_key, arm_key
            order by metric
        ) as place

    from guardrails
    where state = 'blocked'

),

blocking as (

    select * from find_blocking
    where place = 1

),

not_yet_safe as (

    select distinct
        experiment_key,
        experiment_version,
        slot_key,
        arm_key

    from guardrails
    where state = 'not_yet_safe'

),

-- An arm is better when its always-valid interval clears zero, or at the planned end by chance to win and expected loss.
compare_with_limits as (

    select
        challengers.*,
        blocking.metric as blocking_metric,
        blocking.interval_low as blocking_low,
        blocking.margin as blocking_margin,
        blocking.metric is not null as is_blocked,
        not_yet_safe.arm_key is not null as is_not_yet_safe,
        coalesce(challengers.effect > 0 and challengers.p_value_holm < {{ var('alpha') }}, false) as is_above_zero,
        coalesce(
            challengers.effect > 0
            and challengers.has_reached_planned_end
            and challengers.chance_to_win >= {{ var('chance_to_win_threshold') }}
            and challengers.expected_loss <= {{ var('expected_loss_tolerance') }} * challengers.control_mean, false
        ) as is_likely_better,
        coalesce(challengers.effect < 0 and challengers.p_value_holm < {{ var('alpha') }}, false) as is_below_zero,
        coalesce(
            challengers.effect < 0
            and challengers.has_reached_planned_end
            and challengers.chance_to_win <= 1 - {{ var('chance_to_win_threshold') }}, false
        ) as is_likely_worse,
        coalesce(
            challengers.effect_low >= -challengers.effect_of_interest / 2 * challengers.control_mean
            and challengers.effect_high <= challengers.effect_of_interest / 2 * challengers.control_mean, false
        ) as is_equivalent

    from challengers
    left join blocking
        on
            challengers.experiment_key = blocking.experiment_key
            and challengers.experiment_version = blocking.experiment_version
            and challengers.slot_key = blocking.slot_key
            and challengers.arm_key = blocking.arm_key
    left join not_yet_safe
        on
            challengers.experiment_key = not_yet_safe.experiment_key
            and challengers.experiment_version = not_yet_safe.experiment_version
            and challengers.slot_key = not_yet_safe.slot_key
            and challengers.arm_key = not_yet_safe.arm_key

),

rank_challengers as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,

        ---------- numerics
        effect,
        effect_low,
        effect_high,
        effect_error,
        control_mean,
        effect_of_interest,
        p_value_holm,
        chance_to_win,
        expected_loss,
        relative_lift,
        blocking_low,
        blocking_margin,
        row_number() over (
            partition by experiment_key, slot_key
            order by
                case when (is_above_zero or is_likely_better) and not is_blocked then 0 when is_blocked then 1 else 2 end,
                case when effect is null then 1 else 0 end,
                effect desc,
                arm_key
        ) as challenger_rank,

        ---------- texts
        blocking_metric,

        ---------- booleans
        is_above_zero,
        is_likely_better,
        is_below_zero,
        is_likely_worse,
        is_equivalent,
        is_blocked,
        is_not_yet_safe

    from compare_with_limits

)

select * from rank_challengers
