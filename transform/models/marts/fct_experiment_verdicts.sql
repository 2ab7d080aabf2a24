{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}
{%- set thresholds = {} %}
{%- for name in [
    'alpha', 'srm_alpha', 'srm_min_expected', 'crossover_max_rate', 'crossover_min_profiles', 'min_hours', 'min_received_per_arm',
    'min_conversions', 'min_expected_conversions_per_arm', 'min_days_to_decide',
] %}
{%- do thresholds.update({name: lf_variable(name)}) %}
{%- endfor %}

with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

evidence as (

    select * from {{ ref('int_slot_evidence') }}

),

rules as (

    select * from {{ ref('int_verdict_rules') }}

),

power_plan as (

    select * from {{ ref('int_power_plan') }}

),

split_uplift as (

    select * from {{ ref('int_split_uplift') }}

),

currencies as (

    select * from {{ ref('int_experiment_currencies') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

),

shipped_arms as (

    select
        experiment_key,
        slot_key,
        arm_key
    from arms
    where is_winner

),

verdicts as (

    select
        ---------- ids
        evidence.experiment_key,
        evidence.experiment_version,
        evidence.slot_key,

        ---------- texts
        experiments.primary_metric,
        rules.verdict,
        rules.rule,
        case rules.verdict when 'winner' then evidence.challenger_arm when 'control_wins' then evidence.control_arm end as winning_arm,
        evidence.control_arm,
        evidence.challenger_arm,
        evidence.srm_stage,
        evidence.blocking_metric,
        evidence.money_metric,
        evidence.first_blocked_arm,
        evidence.runner_up_arm,
        experiments.decision,
        experiments.channel,
        currencies.currency,
        experiments.preregistration_sha256,
        {{ lf_literal(tojson(thresholds)) }} as thresholds,
        shipped_arms.arm_key as shipped_arm,

        ---------- numerics
        evidence.srm_p_value,
        evidence.crossover_rate,
        evidence.rendered,
        evidence.crossovers,
        evidence.units,
        evidence.received,
        evidence.least_received,
        evidence.converted,
        evidence.effect,
        evidence.effect_low as interval_low,
        evidence.effect_high as interval_high,
        evidence.p_value_holm as p_value,
        evidence.chance_to_win,
        evidence.expected_loss,
        evidence.relative_lift,
        evidence.corrected_lift,
        evidence.blocking_low,
        evidence.blocking_margin,
        evidence.money_effect,
        evidence.money_low,
        evidence.money_high,
        evidence.runner_up_p_value,
        evidence.least_expected_conversions,
        evidence.blocked_arms,
        coalesce(experiments.minimum_detectable_effect, {{ lf_double(lf_variable('minimum_detectable_effect')) }}) as effect_of_interest,
        power_plan.minimum_detectable_effect,
        -- Until the plan says so; else how long it took to get what there is, times what is missing.
        case
            when rules.rule in ('waiting_for_planned_stop', 'waiting_for_outcomes')
                then greatest({{ lf_days_between(lf_now(), 'experiments.planned_stop_on') }} + experiments.attribution_window_days, 0)
            when rules.rule in ('undecided', 'below_minimum') and power_plan.units_needed_ratio > 1
                then greatest({{ lf_days_between('evidence.started_at', lf_now()) }}, 1) * (power_plan.units_needed_ratio - 1)
            when rules.rule in ('undecided', 'below_minimum') and power_plan.units_needed_ratio <= 1 then 0
        end as days_to_decision,
        split_uplift.smart_allocation_uplift,
        split_uplift.smart_allocation_uplift_error,

        ---------- booleans
        evidence.has_several_challengers,
        evidence.is_not_yet_safe,
        evidence.is_told_apart,
        evidence.is_mature,

        ---------- timestamps
        evidence.started_at,
        evidence.ended_at,
        {{ lf_now() }} as measured_at

    from evidence
    inner join experiments
        on
            evidence.experiment_key = experiments.experiment_key
            and evidence.experiment_version = experiments.experiment_version
    inner join rules
        on
            evidence.experiment_key = rules.experiment_key
            and evidence.experiment_version = rules.experiment_version
            and evidence.slot_key = rules.slot_key
    left join power_plan
        on
            evidence.experiment_key = power_plan.experiment_key
            and evidence.experiment_version = power_plan.experiment_version
            and evidence.slot_key = power_plan.slot_key
    left join split_uplift
        on
            evidence.experiment_key = split_uplift.experiment_key
            and evidence.experiment_version = split_uplift.experiment_version
            and evidence.slot_key = split_uplift.slot_key
    left join currencies
        on
            evidence.experiment_key = currencies.experiment_key
            and evidence.experiment_version = currencies.experiment_version
    left join shipped_arms
        on
            evidence.experiment_key = shipped_arms.experiment_key
            and evidence.slot_key = shipped_arms.slot_key

),

-- A winner may be named that the figures do not name.
tell_who_decided as (

    select
        *,
        case
            when shipped_arm = winning_arm then 'verdict'
            when shipped_arm is not null then 'author'
        end as shipped_by

    from verdicts

)

select * from tell_who_decided
