with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- Arms whose file leaves the weight to the warehouse. A slot's content is its snippet's, or its own in all versions.
to_decide as (

    select
        arms.*,
        experiments.experiment_version,
        experiments.primary_metric,
        coalesce(arms.snippet, experiments.experiment_key || '.' || arms.slot_key) as content_key,
        count(*) over (partition by arms.experiment_key, arms.slot_key) as arms_in_slot

    from arms
    inner join experiments on arms.experiment_key = experiments.experiment_key
    where arms.weight_bp is null

),

-- Each earlier campaign's difference to its own control: raw rates would mix seasons with arms. Older ones count less.
past as (

    select
        to_decide.experiment_key,
        to_decide.slot_key,
        to_decide.arm_key,
        {{ lf_double('results.units') }} as units,
        coalesce(results.difference, 0) as difference,
        abs(coalesce(results.control_mean, results.mean)) as control_mean,
        -- An arm in which nobody converted has no variance of its own, and is not unknown. Rows of before have no pooled one.
        results.units / nullif({{ lf_larger('results.variance', 'results.pooled_variance') }}, 0) as information,
        power(
            {{ lf_double('0.5') }},
            {{ lf_double('greatest(' ~ lf_days_between('frozen.decided_at', lf_now()) ~ ', 0)') }}
                / to_decide.thompson_half_life_days
        ) as decay

    from to_decide
    inner join {{ lf_ledger('fct_allocations') }} as frozen
        on
            to_decide.content_key = frozen.content_key
            and to_decide.arm_key = frozen.arm_key
            and (
                to_decide.experiment_key <> frozen.experiment_key
                or to_decide.experiment_version > frozen.experiment_version
            )
    inner join {{ lf_ledger('fct_experiment_results') }} as results
        on
            frozen.experiment_key = results.experiment_key
            and frozen.experiment_version = results.experiment_version
            and frozen.slot_key = results.slot_key
            and frozen.arm_key = results.arm_key
            and to_decide.primary_metric = results.metric
    -- Of everybody, credited by time: what decides where the metric is primary. Rows of before there were others are all of that kind.
    where
        results.units > 0
        and coalesce(results.analysis, 'assigned') = 'assigned'
        and coalesce(results.attribution, 'assigned_window') = 'assigned_window'

),

pool as (

    select
        experiment_key,
        slot_key,
        arm_key,
        count(*) as campaigns,
        sum(units) as units,
        sum(decay * units) as counted_units,
        sum(decay * information) as information,
        sum(decay * information * difference) as weighted_difference,
        sum(decay * units * control_mean) / nullif(sum(decay * units), 0) as control_mean

    from past
    group by experiment_key, slot_key, arm_key

),

-- What is not known is taken to lie about the control, with a standard deviation of `thompson_prior` of its mean.
add_prior as (

    select
        to_decide.*,
        coalesce(pool.campaigns, 0) as campaigns,
        coalesce(pool.units, 0) as past_units,
        coalesce(pool.information, 0)
            * least(1, coalesce(to_decide.thompson_at_most / nullif(pool.counted_units, 0), 1)) as information,
        coalesce(pool.weighted_difference / nullif(pool.information, 0), 0) as difference,
        coalesce(
            nullif(
                max(pool.control_mean) over (partition by to_decide.experiment_key, to_decide.slot_key), 0
            ), 1
        ) * {{ lf_double(lf_variable('thompson_prior')) }} as prior_deviation

    from to_decide
    left join pool
        on
            to_decide.experiment_key = pool.experiment_key
            and to_decide.slot_key = pool.slot_key
            and to_decide.arm_key = pool.arm_key

),

posterior as (

    select
        *,
        information * difference / (information + 1 / (prior_deviation * prior_deviation)) as center,
        1 / sqrt(information + 1 / (prior_deviation * prior_deviation)) as deviation

    from add_prior

),

chances as (

    {{ lf_chance_best('posterior', ['experiment_key', 'slot_key']) }}

),

-- The floor is added, not cut off: the ratios of what lies above it stay.
add_floor as (

    select
        posterior.*,
        chances.chance,
        case
            when posterior.thompson_floor_bp * posterior.arms_in_slot >= 10000
                then {{ lf_double('10000') }} / posterior.arms_in_slot
            else posterior.thompson_floor_bp
                + (10000 - posterior.thompson_floor_bp * posterior.arms_in_slot)
                * chances.chance
        end as exact_weight

    from posterior
    inner join chances
        on
            posterior.experiment_key = chances.experiment_key
            and posterior.slot_key = chances.slot_key
            and posterior.arm_key = chances.arm_key

),

-- To so many places warehouses agree, whose exponentials and sums differ in the last of a double.
round_off as (

    select
        *,
        {{ lf_decimal('exact_weight', 6) }} as decimal_weight
    from add_floor

),

round_down as (

    select
        *,
        floor(decimal_weight) as whole,
        row_number() over (
            partition by experiment_key, slot_key
            order by decimal_weight - floor(decimal_weight) desc, position, arm_key
        ) as place

    from round_off

),

round_by_largest_remainder as (

    select
        ---------- ids
        round_down.experiment_key,
        round_down.experiment_version,
        round_down.slot_key,
        round_down.arm_key,

        ---------- texts
        round_down.content_key,
        'chance to be the best ' || {{ lf_figure('100 * round_down.chance', 1) }} || ' % from '
            || {{ lf_text('cast(round_down.past_units as ' ~ lf_type('bigint') ~ ')') }} || ' profiles of '
            || {{ lf_text('round_down.campaigns') }} || ' earlier campaigns; '
            || case when round_down.is_control then 'the control' else 'difference to the control '
                || {{ lf_signed_figure('round_down.center', "outcome_metrics.kind = 'share'") }} end
            || '; floor ' || {{ lf_text('round_down.thompson_floor_bp') }} || ' bp' as reason,

        ---------- numerics
        round_down.chance,
        cast(
            round_down.whole + case
                when
                    round_down.place <= 10000 - sum(round_down.whole) over (partition by round_down.experiment_key, round_down.slot_key)
                    then 1 else 0
            end as {{ lf_type('integer') }}
        ) as weight_bp

    from round_down
    left join outcome_metrics on round_down.primary_metric = outcome_metrics.metric

)

select * from round_by_largest_remainder
