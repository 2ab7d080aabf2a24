{#-
    A row outlives its definition: of an earlier version or a deleted experiment it keeps the last verdict. A column that is added here is added to the
    table as well, empty in the rows of before.
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
{%- set thresholds = {} %}
{%- for name in [
    'alpha', 'srm_alpha', 'srm_min_expected', 'crossover_max_rate', 'crossover_min_profiles', 'min_hours', 'min_received_per_arm',
    'min_conversions', 'chance_to_win_threshold', 'expected_loss_tolerance',
] %}
{%- do thresholds.update({name: var(name)}) %}
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
        experiments.channel,
        currencies.currency,
        experiments.preregistration_sha256,
        '{{ tojson(thresholds) }}' as thresholds,

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
        evidence.blocking_low,
        evidence.blocking_margin,
        coalesce(experiments.minimum_detectable_effect, {{ lf_double(var('minimum_detectable_effect')) }}) as effect_of_interest,
        power_plan.minimum_detectable_effect,
        -- How long it took to get what there is, times what is missing.
        case
            when rules.rule in ('undecided', 'below_minimum') and power_plan.units_needed_ratio > 1
                then greatest({{ lf_days_between('evidence.started_at', lf_now()) }}, 1) * (power_plan.units_needed_ratio - 1)
            when rules.rule in ('undecided', 'below_minimum') and power_plan.units_needed_ratio <= 1 then 0
        end as days_to_decision,
        split_uplift.smart_allocation_uplift,
        split_uplift.smart_allocation_uplift_error,

        ---------- booleans
        evidence.has_several_challengers,
        evidence.is_not_yet_safe,
        evidence.has_ended,

        ---------- timestamps
        evidence.started_at,
        {{ lf_now() }} as measured_at

    from evidence
    inner join experiments on evidence.experiment_key = experiments.experiment_key
    inner join rules
        on
            evidence.experiment_key = rules.experiment_key
            and evidence.slot_key = rules.slot_key
    left join power_plan
        on
            evidence.experiment_key = power_plan.experiment_key
            and evidence.slot_key = power_plan.slot_key
    left join split_uplift
        on
            evidence.experiment_key = split_uplift.experiment_key
            and evidence.experiment_version = split_uplift.experiment_version
            and evidence.slot_key = split_uplift.slot_key
    left join currencies on evidence.experiment_key = currencies.experiment_key

),

date_end as (

    select
        verdicts.experiment_key,
        verdicts.experiment_version,
        verdicts.slot_key,
        verdicts.primary_metric,
        verdicts.verdict,
        verdicts.rule,
        verdicts.winning_arm,
        verdicts.control_arm,
        verdicts.challenger_arm,
        verdicts.srm_p_value,
        verdicts.srm_stage,
        verdicts.crossover_rate,
        verdicts.rendered,
        verdicts.crossovers,
        verdicts.units,
        verdicts.received,
        verdicts.least_received,
        verdicts.converted,
        verdicts.started_at,
        {% if is_incremental() -%}
        case when verdicts.has_ended then coalesce(earlier.ended_at, verdicts.measured_at) end as ended_at,
        {%- else -%}
        case when verdicts.has_ended then verdicts.measured_at end as ended_at,
        {%- endif %}
        verdicts.measured_at,
        verdicts.channel,
        verdicts.currency,
        verdicts.effect,
        verdicts.interval_low,
        verdicts.interval_high,
        verdicts.p_value,
        verdicts.chance_to_win,
        verdicts.expected_loss,
        verdicts.relative_lift,
        verdicts.has_several_challengers,
        verdicts.is_not_yet_safe,
        verdicts.blocking_metric,
        verdicts.blocking_low,
        verdicts.blocking_margin,
        verdicts.effect_of_interest,
        verdicts.minimum_detectable_effect,
        verdicts.days_to_decision,
        verdicts.smart_allocation_uplift,
        verdicts.smart_allocation_uplift_error,
        verdicts.thresholds,
        verdicts.preregistration_sha256

    from verdicts
    {% if is_incremental() -%}
    left join {{ this }} as earlier
        on
            verdicts.experiment_key = earlier.experiment_key
            and verdicts.experiment_version = earlier.experiment_version
            and verdicts.slot_key = earlier.slot_key
    {%- endif %}

)

select * from date_end
