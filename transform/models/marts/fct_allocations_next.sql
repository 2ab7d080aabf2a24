{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}

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

guardrails as (

    select * from {{ ref('fct_experiment_guardrails') }}

),

floors as (

    select * from {{ ref('int_control_floors') }}

),

harmful as (

    select distinct
        experiment_key,
        experiment_version,
        slot_key,
        arm_key

    from guardrails
    where state = 'blocked'

),

decisive as (

    select
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,
        arms.position,
        arms.is_control,
        arms.weight_bp as current_weight_bp,
        count(*) over (partition by arms.experiment_key, arms.slot_key) as arms_in_slot,
        verdicts.verdict,
        verdicts.winning_arm,
        -- Not told is not yet: rows of before do not say.
        verdicts.verdict in ('invalid_srm', 'invalid_crossover', 'no_data', 'too_early') or not coalesce(verdicts.is_mature, false) as is_kept,
        harmful.arm_key is not null as is_harmful,
        coalesce(results.difference, 0e0) as difference,
        -- An arm in which nobody converted has no variance of its own, and is not unknown.
        coalesce(results.units / nullif({{ lf_larger('results.variance', 'results.pooled_variance') }}, 0), 0e0) as information,
        cast(case when arms.is_control then floors.control_floor_bp else {{ lf_variable('allocation_floor_bp') }} end as {{ lf_type('integer') }})
            as floor_bp,
        coalesce(
            nullif(max(case when results.is_control then results.mean end) over (partition by arms.experiment_key, arms.slot_key), 0), 1e0
        ) * {{ lf_double(lf_variable('thompson_prior')) }} as prior_deviation

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
    inner join floors
        on
            arms.experiment_key = floors.experiment_key
            and arms.experiment_version = floors.experiment_version
            and arms.slot_key = floors.slot_key
    left join harmful
        on
            arms.experiment_key = harmful.experiment_key
            and arms.experiment_version = harmful.experiment_version
            and arms.slot_key = harmful.slot_key
            and arms.arm_key = harmful.arm_key

),

-- What is not known is taken to lie about the control, as when shares are drawn from earlier campaigns.
posterior as (

    select
        *,
        information * difference / (information + 1 / (prior_deviation * prior_deviation)) as center,
        1 / sqrt(information + 1 / (prior_deviation * prior_deviation)) as deviation

    from decisive

),

-- An arm that a guardrail blocks is no candidate, however well it does.
candidates as (

    select * from posterior
    where not is_harmful

),

chances as (

    {{ lf_chance_best('candidates', ['experiment_key', 'slot_key']) }}

),

take_chances as (

    select
        posterior.*,
        coalesce(chances.chance, 0e0) as chance

    from posterior
    left join chances
        on
            posterior.experiment_key = chances.experiment_key
            and posterior.slot_key = chances.slot_key
            and posterior.arm_key = chances.arm_key

),

-- To so many places warehouses, and two runs, agree.
rank_chances as (

    select
        *,
        max(chance) over (partition by experiment_key, slot_key) as best_chance,
        min(chance) over (partition by experiment_key, slot_key) as worst_chance,
        max(case when is_harmful then 1 else 0 end) over (partition by experiment_key, slot_key) = 1 as has_harmful,
        {{ lf_variable('allocation_floor_bp') }} * arms_in_slot >= 10000 as is_crowded,
        row_number() over (
            partition by experiment_key, slot_key
            order by {{ lf_decimal('chance', 9) }} desc, position, arm_key
        ) as chance_rank

    from take_chances

),

-- The floor is added, not cut off: the ratios of what lies above it stay.
add_floor as (

    select
        *,
        case
            when is_crowded then 10000e0 / arms_in_slot
            else {{ lf_variable('allocation_floor_bp') }} + (10000 - {{ lf_variable('allocation_floor_bp') }} * arms_in_slot) * chance
        end as share_bp

    from rank_chances

),

measure_control as (

    select
        *,
        coalesce(max(case when is_control then share_bp end) over (partition by experiment_key, slot_key), 0e0) as control_share_bp,
        coalesce(max(case when is_control then {{ lf_larger('share_bp', 'floor_bp') }} end) over (partition by experiment_key, slot_key), 0e0)
            as control_kept_bp

    from add_floor

),

-- What the control keeps beyond its share, the others give in proportion. Where nothing valid was learned, the shares stay.
weigh as (

    select
        *,
        {{ lf_decimal('case
            when is_kept then current_weight_bp
            when is_control then control_kept_bp
            else share_bp * (10000 - control_kept_bp) / nullif(10000 - control_share_bp, 0)
        end', 6) }} as exact_weight

    from measure_control

),

round_down as (

    select
        *,
        floor(exact_weight) as whole,
        max(case when chance_rank = 1 then arm_key end) over (partition by experiment_key, slot_key) as best_arm,
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
        case when not is_kept then best_chance end as best_chance,
        floor_bp,

        ---------- texts
        case
            when verdict = 'no_data' then 'kept_no_data'
            when verdict in ('invalid_srm', 'invalid_crossover') then 'kept_invalid'
            when is_kept then 'kept_too_early'
            when is_crowded then 'equal_by_floor'
            when best_chance - worst_chance < 5e-3 then 'equal_chances'
            when best_arm = winning_arm then 'winner'
            else 'likeliest_best'
        end as rule,
        case when not is_kept then best_arm end as best_arm,

        ---------- booleans
        has_harmful as has_harmful_arm,

        ---------- timestamps
        {{ lf_now() }} as decided_at

    from round_down

)

select * from allocations
