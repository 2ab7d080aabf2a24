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

results as (

    select * from {{ ref('fct_experiment_results') }}

),

verdicts as (

    select * from {{ ref('fct_experiment_verdicts') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

decisive as (

    select
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,
        arms.position,
        arms.weight_bp as current_weight_bp,
        count(*) over (partition by arms.experiment_key, arms.slot_key) as arms_in_slot,
        verdicts.verdict,
        verdicts.winning_arm,
        coalesce(results.difference, 0e0) as difference,
        coalesce(results.units / nullif(results.variance, 0), 0e0) as information,
        coalesce(
            nullif(max(case when results.is_control then results.mean end) over (partition by arms.experiment_key, arms.slot_key), 0), 1e0
        ) * {{ lf_double(var('thompson_prior')) }} as prior_deviation

    from arms
    inner join verdicts
        on
            arms.experiment_key = verdicts.experiment_key
            and arms.experiment_version = verdicts.experiment_version
            and arms.slot_key = verdicts.slot_key
    left join results
        on
            arms.experiment_key = results.experiment_key
            and arms.experiment_version = results.experiment_version
            and arms.slot_key = results.slot_key
            and arms.arm_key = results.arm_key
            and results.is_decisive

),

-- What is not known is taken to lie about the control, as when shares are drawn from earlier campaigns.
posterior as (

    select
        *,
        information * difference / (information + 1 / (prior_deviation * prior_deviation)) as center,
        1 / sqrt(information + 1 / (prior_deviation * prior_deviation)) as deviation

    from decisive

),

chances as (

    {{ lf_chance_best('posterior', ['experiment_key', 'slot_key']) }}

),

-- The floor is added, not cut off: the ratios of what lies above it stay. Where nothing valid was learned, the shares stay.
weigh as (

    select
        posterior.*,
        chances.chance,
        posterior.verdict in ('invalid_srm', 'invalid_crossover', 'no_data', 'too_early') as is_kept,
        {{ lf_decimal('case
            when posterior.verdict in (\'invalid_srm\', \'invalid_crossover\', \'no_data\', \'too_early\') then posterior.current_weight_bp
            when ' ~ var('allocation_floor_bp') ~ ' * posterior.arms_in_slot >= 10000 then 10000e0 / posterior.arms_in_slot
            else ' ~ var('allocation_floor_bp') ~ ' + (10000 - ' ~ var('allocation_floor_bp') ~ ' * posterior.arms_in_slot) * chances.chance
        end', 6) }} as exact_weight

    from posterior
    inner join chances
        on
            posterior.experiment_key = chances.experiment_key
            and posterior.slot_key = chances.slot_key
            and posterior.arm_key = chances.arm_key

),

round_down as (

    select
        *,
        floor(exact_weight) as whole,
        row_number() over (
            partition by experiment_key, slot_key
            order by exact_weight - floor(exact_weight) desc, position, arm_key
        ) as place

    from weigh

),

allocations as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,

        ---------- numerics
        cast(
            whole + case
                when place <= 10000 - sum(whole) over (partition by experiment_key, slot_key) then 1 else 0
            end as {{ lf_type('integer') }}
        ) as weight_bp,
        case when not is_kept then chance end as chance_best,

        ---------- texts
        case
            when is_kept then 'Unchanged: ' || case verdict
                when 'too_early' then 'too early to learn from.'
                when 'no_data' then 'nothing was received yet.'
                else 'the comparison cannot be trusted.'
            end
            else 'Chance to be the best ' || {{ lf_figure('100e0 * chance', 1) }} || ' %, floor {{ var("allocation_floor_bp") }} bp'
                || case when arm_key = winning_arm then '; the winner.' else '.' end
        end as reason,

        ---------- timestamps
        {{ lf_now() }} as decided_at

    from round_down

)

select * from allocations
