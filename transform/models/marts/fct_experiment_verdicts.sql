{#- A row outlives its definition: of an earlier version or a deleted experiment it keeps the last verdict. -#}
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

results as (

    select * from {{ ref('fct_experiment_results') }}

),

moments as (

    select * from {{ ref('int_moments') }}

),

renderings as (

    select * from {{ ref('int_slots_rendered') }}

),

currencies as (

    select * from {{ ref('int_experiment_currencies') }}

),

ratios as (

    select * from {{ ref('fct_experiment_srm') }}

),

guardrails as (

    select * from {{ ref('fct_experiment_guardrails') }}

),

levels as (

    select {{ lf_power_z() }} as power_z

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

-- What was measured with the estimate that decides: adjusted for what was before, where something was.
challengers as (

    select
        results.*,
        case when results.estimator = 'cuped' then results.cuped_difference else results.difference end as effect,
        case when results.estimator = 'cuped' then results.cuped_low else results.interval_low end as effect_low,
        case when results.estimator = 'cuped' then results.cuped_high else results.interval_high end as effect_high,
        case when results.estimator = 'cuped' then results.cuped_standard_error else results.standard_error end as effect_error,
        experiments.status = 'ended' as has_ended,
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

guard as (

    select
        experiment_key,
        slot_key,
        arm_key,
        max(case when state = 'blocked' then 1 else 0 end) = 1 as is_blocked,
        max(case when state = 'not_yet_safe' then 1 else 0 end) = 1 as is_not_yet_safe,
        min(case when state = 'blocked' then metric end) as blocking_metric

    from guardrails
    group by experiment_key, slot_key, arm_key

),

blocking as (

    select
        guardrails.experiment_key,
        guardrails.slot_key,
        guardrails.arm_key,
        guardrails.metric,
        guardrails.interval_low,
        guardrails.margin

    from guardrails
    inner join guard
        on
            guardrails.experiment_key = guard.experiment_key
            and guardrails.slot_key = guard.slot_key
            and guardrails.arm_key = guard.arm_key
            and guardrails.metric = guard.blocking_metric

),

-- An arm is better when its always-valid interval clears zero, or at the planned end by chance to win and expected loss.
judge_challengers as (

    select
        challengers.*,
        blocking.metric as blocking_metric,
        blocking.interval_low as blocking_low,
        blocking.margin as blocking_margin,
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
        ) as is_equivalent,
        coalesce(guard.is_blocked, false) as is_blocked,
        coalesce(guard.is_not_yet_safe, false) as is_not_yet_safe

    from challengers
    left join guard
        on
            challengers.experiment_key = guard.experiment_key
            and challengers.slot_key = guard.slot_key
            and challengers.arm_key = guard.arm_key
    left join blocking
        on
            challengers.experiment_key = blocking.experiment_key
            and challengers.slot_key = blocking.slot_key
            and challengers.arm_key = blocking.arm_key

),

rank_for_sentence as (

    select
        *,
        row_number() over (
            partition by experiment_key, slot_key
            order by
                case when (is_above_zero or is_likely_better) and not is_blocked then 0 when is_blocked then 1 else 2 end,
                case when effect is null then 1 else 0 end,
                effect desc,
                arm_key
        ) as challenger_rank

    from judge_challengers

),

-- The arm that a verdict speaks of: the best winner, else a blocked arm, else the one that leads.
spoken_of as (

    select * from rank_for_sentence
    where challenger_rank = 1

),

count_challengers as (

    select
        experiment_key,
        slot_key,
        count(*) as challengers,
        max(case when is_blocked then 1 else 0 end) = 1 as has_blocked,
        min(case when is_below_zero then 1 else 0 end) = 1 as all_below_zero,
        min(case when is_below_zero or is_likely_worse then 1 else 0 end) = 1 as all_worse,
        min(case when is_equivalent then 1 else 0 end) = 1 as all_equivalent

    from judge_challengers
    group by experiment_key, slot_key

),

first_receipts as (

    select
        experiment_key,
        min(received_at) as started_at

    from receipts
    group by experiment_key

),

-- Which stage tells of the comparison: the opens may differ because the arms do.
alarms as (

    select
        experiment_key,
        slot_key,
        min(p_value) as srm_p_value,
        min(case stage when 'assigned' then '1 assigned' when 'written' then '2 written' else '3 received' end) as first_stage

    from ratios
    where
        is_alarm
        and stage <> 'opened'
    group by experiment_key, slot_key

),

slots as (

    select
        moments.experiment_key,
        moments.experiment_version,
        moments.slot_key,
        experiments.primary_metric,
        experiments.channel,
        experiments.preregistration_sha256,
        coalesce(experiments.minimum_detectable_effect, {{ lf_double(var('minimum_detectable_effect')) }}) as effect_of_interest,
        experiments.status = 'ended' as has_ended,
        max(case when moments.is_control then moments.arm_key end) as control_arm_key,
        cast(sum(moments.units) as {{ lf_type('bigint') }}) as units,
        cast(sum(moments.received) as {{ lf_type('bigint') }}) as received,
        cast(sum(moments.converted) as {{ lf_type('bigint') }}) as converted,
        min(case when moments.weight_bp > 0 then moments.received end) as least_received

    from moments
    inner join experiments on moments.experiment_key = experiments.experiment_key
    where
        moments.metric = experiments.primary_metric
        and moments.analysis = 'assigned'
        and moments.attribution = 'assigned_window'
    group by
        moments.experiment_key,
        moments.experiment_version,
        moments.slot_key,
        experiments.primary_metric,
        experiments.channel,
        experiments.preregistration_sha256,
        experiments.minimum_detectable_effect,
        experiments.status

),

-- Without alarm: by the recipients, before them by the assigned.
sizes as (

    select
        experiment_key,
        slot_key,
        coalesce(
            max(case when stage = 'received' then p_value end), max(case when stage = 'assigned' then p_value end)
        ) as srm_p_value

    from ratios
    group by experiment_key, slot_key

),

-- Against the equal split: what the unequal one won, in units of the primary metric.
average_arms as (

    select
        experiment_key,
        slot_key,
        units,
        mean,
        variance,
        sum(units) over (partition by experiment_key, slot_key) as all_units,
        avg(mean) over (partition by experiment_key, slot_key) as average_mean,
        count(*) over (partition by experiment_key, slot_key) as arms

    from results
    where
        is_decisive
        and units > 0

),

compare_split as (

    select
        experiment_key,
        slot_key,
        sum(units * (mean - average_mean)) as smart_allocation_uplift,
        sqrt(sum(
            (units - {{ lf_double('all_units') }} / arms) * (units - {{ lf_double('all_units') }} / arms)
            * case when variance > 0 then variance else 0e0 end / units
        )) as smart_allocation_uplift_error

    from average_arms
    group by experiment_key, slot_key

),

-- What can be found now, and how many times as many units finding the effect of interest would take.
plan as {{ lf_fence() }} (

    select
        spoken_of.experiment_key,
        spoken_of.slot_key,
        spoken_of.effect_error as se,
        spoken_of.effect_of_interest * abs(spoken_of.control_mean) as effect,
        abs(spoken_of.control_mean) as control_mean,
        {{ lf_double('slots.units') }} as n,
        levels.power_z,
        {{ lf_always_valid_half_width('spoken_of.effect_error', 'slots.units') }} as half_width

    from spoken_of
    inner join slots
        on
            spoken_of.experiment_key = slots.experiment_key
            and spoken_of.slot_key = slots.slot_key
    cross join levels
    where spoken_of.effect_error > 0

),

needs as (

    {{ lf_units_needed('plan', 'effect', 'se', 'n', 'power_z') }}

),

evidence as {{ lf_fence() }} (

    select
        slots.*,
        coalesce(alarms.srm_p_value, sizes.srm_p_value) as srm_p_value,
        alarms.first_stage,
        renderings.rendered,
        renderings.crossovers,
        renderings.crossover_rate,
        first_receipts.started_at,
        currencies.currency,
        spoken_of.arm_key as challenger,
        (spoken_of.is_above_zero or spoken_of.is_likely_better) and not spoken_of.is_blocked as has_winner,
        spoken_of.is_above_zero,
        spoken_of.is_not_yet_safe,
        spoken_of.effect,
        spoken_of.effect_low as interval_low,
        spoken_of.effect_high as interval_high,
        spoken_of.p_value_holm,
        spoken_of.chance_to_win,
        spoken_of.expected_loss,
        spoken_of.relative_lift,
        spoken_of.blocking_metric,
        spoken_of.blocking_low,
        spoken_of.blocking_margin,
        (needs.half_width + needs.power_z * needs.se) / nullif(needs.control_mean, 0) as minimum_detectable_effect,
        needs.needed,
        compare_split.smart_allocation_uplift,
        compare_split.smart_allocation_uplift_error,
        coalesce(count_challengers.challengers, 0) > 1 as has_several,
        coalesce(count_challengers.has_blocked, false) as has_blocked,
        coalesce(count_challengers.all_below_zero, false) as all_below_zero,
        coalesce(count_challengers.all_worse, false) as all_worse,
        coalesce(count_challengers.all_equivalent, false) as all_equivalent,
        coalesce(
            first_receipts.started_at <= {{ lf_dateadd('hour', -1 * var('min_hours'), lf_now()) }}
            and slots.least_received >= {{ var('min_received_per_arm') }}
            and slots.converted >= {{ var('min_conversions') }}, false
        ) as has_minimum

    from slots
    left join renderings
        on
            slots.experiment_key = renderings.experiment_key
            and slots.slot_key = renderings.slot_key
    left join sizes
        on
            slots.experiment_key = sizes.experiment_key
            and slots.slot_key = sizes.slot_key
    left join alarms
        on
            slots.experiment_key = alarms.experiment_key
            and slots.slot_key = alarms.slot_key
    left join first_receipts on slots.experiment_key = first_receipts.experiment_key
    left join currencies on slots.experiment_key = currencies.experiment_key
    left join spoken_of
        on
            slots.experiment_key = spoken_of.experiment_key
            and slots.slot_key = spoken_of.slot_key
    left join count_challengers
        on
            slots.experiment_key = count_challengers.experiment_key
            and slots.slot_key = count_challengers.slot_key
    left join needs
        on
            slots.experiment_key = needs.experiment_key
            and slots.slot_key = needs.slot_key
    left join compare_split
        on
            slots.experiment_key = compare_split.experiment_key
            and slots.slot_key = compare_split.slot_key

),

-- The first rule that holds decides. What has ended below the minimum stays undecided: nothing more will come.
decide as {{ lf_fence() }} (

    select
        *,
        case
            when first_stage is not null then 'srm_alarm'
            when
                crossover_rate > {{ var('crossover_max_rate') }}
                and crossovers >= {{ var('crossover_min_profiles') }}
                then 'crossover_above_limit'
            when received = 0 then 'nobody_received'
            when not has_minimum and not has_ended then 'below_minimum'
            when not has_minimum then 'ended_below_minimum'
            when has_blocked and not coalesce(has_winner, false) then 'guardrail_exceeded'
            when has_winner and is_above_zero then 'interval_above_zero'
            when has_winner then 'likely_at_planned_end'
            when all_below_zero then 'intervals_below_zero'
            when all_worse then 'unlikely_at_planned_end'
            when all_equivalent then 'interval_within_half_effect'
            when has_ended then 'ended_undecided'
            else 'undecided'
        end as rule

    from evidence

),

name_verdict as {{ lf_fence() }} (

    select
        *,
        case rule
            when 'srm_alarm' then 'invalid_srm'
            when 'crossover_above_limit' then 'invalid_crossover'
            when 'nobody_received' then 'no_data'
            when 'below_minimum' then 'too_early'
            when 'ended_below_minimum' then 'inconclusive'
            when 'guardrail_exceeded' then 'blocked_guardrail'
            when 'interval_above_zero' then 'winner'
            when 'likely_at_planned_end' then 'winner'
            when 'intervals_below_zero' then 'control_wins'
            when 'unlikely_at_planned_end' then 'control_wins'
            when 'interval_within_half_effect' then 'equivalent'
            when 'ended_undecided' then 'inconclusive'
            else 'running'
        end as verdict,
        -- How long it took to get what there is, times what is missing.
        case
            when rule in ('undecided', 'below_minimum') and needed > 1
                then greatest({{ lf_days_between('started_at', lf_now()) }}, 1) * (needed - 1)
            when rule in ('undecided', 'below_minimum') and needed <= 1 then 0
        end as days_to_decision

    from decide

),

compose_comparison as {{ lf_fence() }} (

    select
        *,
        challenger || ' ' || {{ lf_signed_figure('effect', 'primary_metric') }} || ' against ' || control_arm_key
            || ' in ' || primary_metric || ' (always-valid {{ "%g" | format(100 * (1 - var('alpha'))) }} % interval '
            || {{ lf_signed_figure('interval_low', 'primary_metric') }} || ' to '
            || {{ lf_signed_figure('interval_high', 'primary_metric') }}
            || ', ' || {{ lf_p_figure('p_value_holm') }}
            || ', chance to win ' || {{ lf_figure('100e0 * chance_to_win', 1) }} || ' %)' as comparison,
        {{ lf_standing_words() }} as standing,
        case
            when p_value_holm < {{ var('alpha') }} then ', and chance alone hardly explains it.' else ', which may still be chance.'
        end as certainty,
        case when is_not_yet_safe then ' It is not shown yet that it does no harm beyond the limits.' else '' end as reservation,
        {{ lf_lacking_words() }} as lacking

    from name_verdict

),

verdicts as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,

        ---------- texts
        primary_metric,
        verdict,
        case verdict when 'winner' then challenger when 'control_wins' then control_arm_key end as winning_arm,
        case verdict
            when 'invalid_srm'
                then 'The sizes of the arms do not fit their weights, ' || substring(first_stage, 3, 8) || ' (' || {{ lf_p_figure('srm_p_value') }}
                    || ', limit {{ var("srm_alpha") }}): the comparison cannot be trusted.'
            when 'invalid_crossover'
                then {{ lf_text('crossovers') }} || ' of '
                    || {{ lf_text('rendered') }}
                    || ' profiles that clicked saw another arm than the assigned one ('
                    || {{ lf_figure('100e0 * crossover_rate', 2) }} || ' %).'
            when 'no_data'
                then case
                    when units = 0 then 'Nobody is assigned.'
                    else 'None of the ' || {{ lf_text('units') }}
                        || ' assigned profiles is known to have received a message of the experiment.'
                end
            when 'too_early' then 'Minimum not reached: ' || {{ lf_minimum_figures() }}
            when 'blocked_guardrail'
                then challenger || ' has ' || {{ lf_signed_figure('blocking_low', "'unsubscribed'") }}
                    || ' ' || blocking_metric || ' or more against ' || control_arm_key || ' (margin '
                    || {{ lf_figure('100e0 * blocking_margin', 2) }} || ' pp).'
            when 'winner'
                then comparison || '.' || case
                    when is_not_yet_safe then ' Not every guardrail is yet shown to be within its margin.'
                    else ''
                end
            when 'control_wins' then 'No arm is better than ' || control_arm_key || '; the nearest: ' || comparison || '.'
            when 'equivalent'
                then 'No arm differs by more than half of the smallest effect of interest: ' || comparison || '.'
            when 'running' then coalesce('Undecided so far: ' || comparison || '.', 'No arm can be compared with the control.')
            when 'inconclusive'
                then case
                    when not has_minimum then 'Ended below the minimum: ' || {{ lf_minimum_figures() }}
                    else coalesce('Ended undecided: ' || comparison || '.', 'No arm can be compared with the control.')
                end
        end as reason,

        rule,
        case rule
            when 'srm_alarm'
                then 'The groups do not have the planned sizes among those who ' || case first_stage
                    when '1 assigned' then 'are assigned' when '2 written' then 'are marked in Klaviyo' else 'received the message'
                end || ', so nothing can be compared.'
            when 'crossover_above_limit'
                then {{ lf_share_words('crossover_rate') }} || ' of those who clicked were shown another variant than theirs, so nothing can be compared.'
            when 'nobody_received'
                then case
                    when units = 0 then 'Nobody is assigned yet.'
                    else 'Of ' || {{ lf_text('units') }} || ' people who are assigned, none is known to have received the message yet.'
                end
            when 'below_minimum' then 'Not enough to compare yet: ' || substring(lacking, 1, length(lacking) - 2) || '.'
            when 'ended_below_minimum' then 'It ended with too little to compare: ' || substring(lacking, 1, length(lacking) - 2) || '.'
            when 'guardrail_exceeded'
                then 'Of those with ' || challenger || ', at least ' || {{ lf_figure('100e0 * blocking_low', 2) }} || ' percentage points more '
                    || case blocking_metric
                        when 'unsubscribed' then 'unsubscribed' when 'complained' then 'marked it as spam' else 'could not be reached'
                    end || ' than of those with ' || control_arm_key || '; the limit is ' || {{ lf_figure('100e0 * blocking_margin', 2) }} || '.'
            when 'interval_above_zero' then challenger || ' ' || standing || certainty || reservation
            when 'likely_at_planned_end'
                then 'At the planned end ' || challenger || ' ' || standing || '; it is better with a chance of '
                    || {{ lf_chance_words('chance_to_win') }} || '.' || reservation
            when 'intervals_below_zero'
                then case when has_several then 'No variant is as good as ' || control_arm_key || ': even ' else '' end
                    || challenger || ' ' || standing || certainty
            when 'unlikely_at_planned_end'
                then 'At the planned end ' || case when has_several then 'even the best of the others, ' || challenger || ', ' else challenger || ' ' end
                    || standing || '; ' || control_arm_key || ' is better with a chance of ' || {{ lf_chance_words('(1e0 - chance_to_win)') }} || '.'
            when 'interval_within_half_effect'
                then case when has_several then 'All variants do' else challenger || ' does' end || ' as well as ' || control_arm_key || ' in '
                    || {{ lf_metric_words('primary_metric') }} || ': the difference is too small to matter.'
            when 'ended_undecided'
                then coalesce('It ended without an answer: ' || challenger || ' ' || standing || certainty, 'It ended with nothing to compare.')
            else coalesce(
                case
                    when effect < 0 and has_several then 'So far even the best of the others, ' || challenger || ', '
                    else 'So far ' || challenger || ' '
                end || standing || case when effect = 0 then '.' else certainty end,
                'There is nothing to compare yet.'
            )
        end as words,
        channel,
        currency,
        preregistration_sha256,
        '{{ tojson(thresholds) }}' as thresholds,

        ---------- numerics
        srm_p_value,
        p_value_holm as p_value,
        effect_of_interest,
        crossover_rate,
        units,
        received,
        chance_to_win,
        expected_loss,
        relative_lift,
        interval_low,
        interval_high,
        minimum_detectable_effect,
        days_to_decision,
        smart_allocation_uplift,
        smart_allocation_uplift_error,

        ---------- timestamps
        started_at,
        has_ended,
        {{ lf_now() }} as measured_at

    from compose_comparison

),

date_end as (

    select
        verdicts.experiment_key,
        verdicts.experiment_version,
        verdicts.slot_key,
        verdicts.primary_metric,
        verdicts.verdict,
        verdicts.winning_arm,
        verdicts.reason,
        verdicts.srm_p_value,
        verdicts.crossover_rate,
        verdicts.units,
        verdicts.received,
        verdicts.started_at,
        {% if is_incremental() -%}
        case when verdicts.has_ended then coalesce(earlier.ended_at, verdicts.measured_at) end as ended_at,
        {%- else -%}
        case when verdicts.has_ended then verdicts.measured_at end as ended_at,
        {%- endif %}
        verdicts.measured_at,
        verdicts.rule,
        verdicts.words,
        verdicts.channel,
        verdicts.chance_to_win,
        verdicts.expected_loss,
        verdicts.relative_lift,
        verdicts.interval_low,
        verdicts.interval_high,
        verdicts.minimum_detectable_effect,
        verdicts.days_to_decision,
        verdicts.smart_allocation_uplift,
        verdicts.smart_allocation_uplift_error,
        verdicts.currency,
        verdicts.p_value,
        verdicts.effect_of_interest,
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
