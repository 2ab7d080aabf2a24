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

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

ends as (

    select * from {{ ref('int_experiment_ends') }}

),

-- Each with the estimate that decides: the adjusted one, where something was known from before the assignment.
current_results as (

    select
        results.*,
        case when results.estimator = 'cuped' then results.cuped_difference else results.difference end as effect,
        case when results.estimator = 'cuped' then results.cuped_low else results.interval_low end as effect_low,
        case when results.estimator = 'cuped' then results.cuped_high else results.interval_high end as effect_high,
        ends.is_fixed,
        ends.may_decide,
        coalesce(experiments.minimum_detectable_effect, {{ lf_double(lf_variable('minimum_detectable_effect')) }}) as effect_of_interest

    from results
    inner join experiments
        on
            results.experiment_key = experiments.experiment_key
            and results.experiment_version = experiments.experiment_version
    inner join ends
        on
            results.experiment_key = ends.experiment_key
            and results.experiment_version = ends.experiment_version
    where
        not results.is_control
        and results.units > 0
        and results.analysis = 'assigned'
        and results.attribution = 'assigned_window'

),

challengers as (

    select * from current_results
    where is_decisive

),

-- What the arm earns, where something else decides; of several such metrics, the first of the catalogue that moves the other way.
rank_money as (

    select
        current_results.*,
        row_number() over (
            partition by
                current_results.experiment_key, current_results.experiment_version, current_results.slot_key, current_results.arm_key
            order by case when current_results.effect_high < 0 then 0 else 1 end, outcome_metrics.position
        ) as place

    from current_results
    inner join outcome_metrics on current_results.metric = outcome_metrics.metric
    where
        not current_results.is_primary
        and outcome_metrics.kind = 'mean'
        and outcome_metrics.unit = 'currency'
        and outcome_metrics.direction = 'increase'

),

money as (

    select * from rank_money
    where place = 1

),

-- Harm that is shown: a guarded metric beyond its margin, or less money.
harms as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        metric,
        interval_low as harm,
        margin
    from guardrails
    where state = 'blocked'

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        metric,
        -1 * effect_high as harm,
        0 as margin
    from money
    where effect_high < 0

),

-- Of several metrics that block an arm, the first by name is told.
find_blocking as (

    select
        *,
        row_number() over (
            partition by experiment_key, experiment_version, slot_key, arm_key
            order by metric
        ) as place

    from harms

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

-- The definition says which test decides. A test of fixed size has one look, once the experiment has run as long as planned.
compare_with_limits as (

    select
        challengers.*,
        case when challengers.is_fixed then challengers.p_value_fixed_holm else challengers.p_value_holm end as deciding_p_value,
        blocking.metric as blocking_metric,
        blocking.harm as blocking_low,
        blocking.margin as blocking_margin,
        money.metric as money_metric,
        money.effect as money_effect,
        money.effect_low as money_low,
        money.effect_high as money_high,
        blocking.metric is not null as is_blocked,
        not_yet_safe.arm_key is not null as is_not_yet_safe,
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
    left join money
        on
            challengers.experiment_key = money.experiment_key
            and challengers.experiment_version = money.experiment_version
            and challengers.slot_key = money.slot_key
            and challengers.arm_key = money.arm_key
    left join not_yet_safe
        on
            challengers.experiment_key = not_yet_safe.experiment_key
            and challengers.experiment_version = not_yet_safe.experiment_version
            and challengers.slot_key = not_yet_safe.slot_key
            and challengers.arm_key = not_yet_safe.arm_key

),

decide as (

    select
        *,
        may_decide and coalesce(effect > 0 and deciding_p_value < {{ lf_variable('alpha') }}, false) as is_better,
        may_decide and coalesce(effect < 0 and deciding_p_value < {{ lf_variable('alpha') }}, false) as is_worse

    from compare_with_limits

),

rank_challengers as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,

        ---------- numerics
        units,
        mean,
        variance,
        pooled_variance,
        effect,
        effect_low,
        effect_high,
        decisive_standard_error as effect_error,
        control_mean,
        effect_of_interest,
        deciding_p_value as p_value_holm,
        chance_to_win,
        expected_loss,
        relative_lift,
        corrected_lift,
        blocking_low,
        blocking_margin,
        money_effect,
        money_low,
        money_high,
        row_number() over (
            partition by experiment_key, experiment_version, slot_key
            order by
                case when is_blocked then 2 when is_better then 0 else 1 end,
                case when effect is null then 1 else 0 end,
                effect desc,
                arm_key
        ) as challenger_rank,

        ---------- texts
        blocking_metric,
        money_metric,

        ---------- booleans
        is_better,
        is_worse,
        is_equivalent,
        is_blocked,
        is_not_yet_safe

    from decide

)

select * from rank_challengers
