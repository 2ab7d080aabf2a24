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

checks as (

    select * from {{ ref('int_slots_checked') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

current_results as (

    select
        results.*,
        experiments.status,
        experiments.status = 'ended' as has_ended

    from results
    inner join experiments
        on
            results.experiment_key = experiments.experiment_key
            and results.experiment_version = experiments.experiment_version

),

unsubscribes as (

    select * from current_results
    where metric = 'unsubscribed'

),

-- Holm's adjustment over the arms of a slot, so that more arms do not make a false winner likelier.
rank_challengers as (

    select
        current_results.*,
        unsubscribes.interval_low as unsubscribe_low,
        unsubscribes.interval_high as unsubscribe_high,
        current_results.p_value * (
            1 + count(*) over (partition by current_results.experiment_key, current_results.slot_key)
            - row_number() over (
                partition by current_results.experiment_key, current_results.slot_key
                order by current_results.p_value, current_results.arm_key
            )
        ) as step_p_value

    from current_results
    inner join unsubscribes
        on
            current_results.experiment_key = unsubscribes.experiment_key
            and current_results.slot_key = unsubscribes.slot_key
            and current_results.arm_key = unsubscribes.arm_key
    where
        current_results.is_primary
        and not current_results.is_control
        and current_results.units > 0

),

adjust_challengers as (

    select
        *,
        case
            when p_value is not null
                then least(1e0, max(step_p_value) over (
                    partition by experiment_key, slot_key
                    order by p_value, arm_key
                    rows between unbounded preceding and current row
                ))
        end as adjusted_p_value

    from rank_challengers

),

-- An arm is better when its always-valid interval clears zero, or at the end by chance to win and expected loss.
judge_challengers as (

    select
        *,
        coalesce(
            difference > 0 and (
                adjusted_p_value < {{ var('alpha') }}
                or (
                    has_ended
                    and chance_to_win >= {{ var('chance_to_win_threshold') }}
                    and expected_loss <= {{ var('expected_loss_tolerance') }} * control_mean
                )
            ), false
        ) as is_better,
        coalesce(
            difference < 0 and (
                adjusted_p_value < {{ var('alpha') }}
                or (has_ended and chance_to_win <= 1 - {{ var('chance_to_win_threshold') }})
            ), false
        ) as is_worse,
        coalesce(
            interval_low >= -{{ var('minimum_detectable_effect') }} / 2 * control_mean
            and interval_high <= {{ var('minimum_detectable_effect') }} / 2 * control_mean, false
        ) as is_equivalent,
        coalesce(unsubscribe_low > {{ var('unsubscribe_margin') }}, false) as is_blocked

    from adjust_challengers

),

rank_for_sentence as (

    select
        *,
        row_number() over (
            partition by experiment_key, slot_key
            order by
                case when is_better and not is_blocked then 0 when is_blocked then 1 else 2 end,
                difference desc nulls last,
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
        max(case when is_blocked then 1 else 0 end) = 1 as has_blocked,
        min(case when is_worse then 1 else 0 end) = 1 as all_worse,
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

slots as (

    select
        moments.experiment_key,
        moments.experiment_version,
        moments.slot_key,
        experiments.primary_metric,
        experiments.status = 'ended' as has_ended,
        max(case when moments.is_control then moments.arm_key end) as control_arm_key,
        cast(sum(moments.units) as bigint) as units,
        cast(sum(moments.received) as bigint) as received,
        cast(sum(moments.converted) as bigint) as converted,
        min(case when moments.weight_bp > 0 then moments.received end) as least_received

    from moments
    inner join experiments on moments.experiment_key = experiments.experiment_key
    where moments.metric = experiments.primary_metric
    group by
        moments.experiment_key,
        moments.experiment_version,
        moments.slot_key,
        experiments.primary_metric,
        experiments.status

),

evidence as (

    select
        slots.*,
        checks.srm_p_value,
        checks.rendered,
        checks.crossovers,
        checks.crossover_rate,
        first_receipts.started_at,
        spoken_of.arm_key as challenger,
        spoken_of.is_better and not spoken_of.is_blocked as has_winner,
        spoken_of.difference,
        spoken_of.interval_low,
        spoken_of.interval_high,
        spoken_of.adjusted_p_value,
        spoken_of.chance_to_win,
        spoken_of.unsubscribe_low,
        spoken_of.unsubscribe_high,
        coalesce(count_challengers.has_blocked, false) as has_blocked,
        coalesce(count_challengers.all_worse, false) as all_worse,
        coalesce(count_challengers.all_equivalent, false) as all_equivalent,
        coalesce(
            first_receipts.started_at <= {{ lf_dateadd('hour', -1 * var('min_hours'), lf_now()) }}
            and slots.least_received >= {{ var('min_received_per_arm') }}
            and slots.converted >= {{ var('min_conversions') }}, false
        ) as has_minimum

    from slots
    left join checks
        on
            slots.experiment_key = checks.experiment_key
            and slots.slot_key = checks.slot_key
    left join first_receipts on slots.experiment_key = first_receipts.experiment_key
    left join spoken_of
        on
            slots.experiment_key = spoken_of.experiment_key
            and slots.slot_key = spoken_of.slot_key
    left join count_challengers
        on
            slots.experiment_key = count_challengers.experiment_key
            and slots.slot_key = count_challengers.slot_key

),

-- The first rule that holds decides. What has ended below the minimum stays undecided: nothing more will come.
decide as (

    select
        *,
        case
            when srm_p_value < {{ var('srm_alpha') }} then 'invalid_srm'
            when
                crossover_rate > {{ var('crossover_max_rate') }}
                and crossovers >= {{ var('crossover_min_profiles') }}
                then 'invalid_crossover'
            when received = 0 then 'no_data'
            when not has_minimum and not has_ended then 'too_early'
            when not has_minimum then 'inconclusive'
            when has_blocked and not has_winner then 'blocked_guardrail'
            when has_winner then 'winner'
            when all_worse then 'control_wins'
            when all_equivalent then 'equivalent'
            when has_ended then 'inconclusive'
            else 'running'
        end as verdict

    from evidence

),

compose_comparison as (

    select
        *,
        challenger || ' ' || {{ lf_signed_figure('difference', 'primary_metric') }} || ' against ' || control_arm_key
            || ' in ' || primary_metric || ' (always-valid {{ "%g" | format(100 * (1 - var('alpha'))) }} % interval '
            || {{ lf_signed_figure('interval_low', 'primary_metric') }} || ' to '
            || {{ lf_signed_figure('interval_high', 'primary_metric') }}
            || ', ' || {{ lf_p_figure('adjusted_p_value') }}
            || ', chance to win ' || {{ lf_figure('100e0 * chance_to_win', 1) }} || ' %)' as comparison

    from decide

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
                then 'The sizes of the arms do not fit their weights (' || {{ lf_p_figure('srm_p_value') }}
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
                then challenger || ' has ' || {{ lf_signed_figure('unsubscribe_low', "'unsubscribed'") }}
                    || ' unsubscribes or more against ' || control_arm_key || ' (margin '
                    || {{ lf_figure('100e0 * ' ~ var('unsubscribe_margin'), 2) }} || ' pp).'
            when 'winner'
                then comparison || '.' || case
                    when unsubscribe_high > {{ var('unsubscribe_margin') }}
                        then ' Unsubscribes are not yet shown to be within the margin.'
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

        ---------- numerics
        srm_p_value,
        crossover_rate,
        units,
        received,

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
        verdicts.measured_at

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
