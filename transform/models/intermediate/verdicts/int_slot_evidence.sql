with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

totals as (

    select * from {{ ref('int_slot_totals') }}

),

challengers as (

    select * from {{ ref('int_challengers_judged') }}

),

ratios as (

    select * from {{ ref('fct_experiment_srm') }}

),

renderings as (

    select * from {{ ref('int_slots_rendered') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

ends as (

    select * from {{ ref('int_experiment_ends') }}

),

runners_up as (

    select * from {{ ref('int_runners_up') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- The arm that a verdict speaks of: the best that may be sent, else a blocked one.
foremost as (

    select * from challengers
    where challenger_rank = 1

),

-- An arm that a guardrail blocks is out; what is said of all is said of the others.
count_challengers as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        count(*) as challengers,
        count(effect) as compared,
        min(case when is_blocked then 1 else 0 end) = 1 as are_all_blocked,
        min(case when is_blocked or is_worse then 1 else 0 end) = 1 as are_all_worse,
        min(case when is_blocked or is_equivalent then 1 else 0 end) = 1 as are_all_equivalent

    from challengers
    group by experiment_key, experiment_version, slot_key

),

count_blocked as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        cast(count(*) as {{ lf_type('integer') }}) as blocked_arms,
        min(arm_key) as first_blocked_arm

    from challengers
    where is_blocked
    group by experiment_key, experiment_version, slot_key

),

first_receipts as (

    select
        experiment_key,
        experiment_version,
        min(received_at) as started_at

    from receipts
    group by experiment_key, experiment_version

),

-- The opens tell nothing of a mistake: they may differ because the arms do.
alarms as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        min(p_value) as srm_p_value,
        min(case stage when 'assigned' then 1 when 'written' then 2 else 3 end) as first_stage

    from ratios
    where
        is_alarm
        and stage <> 'opened'
    group by experiment_key, experiment_version, slot_key

),

-- Without alarm: by the recipients, before them by the assigned.
sizes as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        coalesce(
            max(case when stage = 'received' then p_value end), max(case when stage = 'assigned' then p_value end)
        ) as srm_p_value

    from ratios
    group by experiment_key, experiment_version, slot_key

),

evidence as (

    select
        ---------- ids
        totals.experiment_key,
        totals.experiment_version,
        totals.slot_key,
        totals.control_arm,
        foremost.arm_key as challenger_arm,

        ---------- texts
        case alarms.first_stage when 1 then 'assigned' when 2 then 'written' when 3 then 'received' end as srm_stage,
        foremost.blocking_metric,
        foremost.money_metric,
        count_blocked.first_blocked_arm,
        runners_up.runner_up_arm,

        ---------- numerics
        totals.units,
        totals.received,
        totals.converted,
        totals.least_received,
        coalesce(alarms.srm_p_value, sizes.srm_p_value) as srm_p_value,
        cast(renderings.rendered as {{ lf_type('bigint') }}) as rendered,
        cast(renderings.crossovers as {{ lf_type('bigint') }}) as crossovers,
        renderings.crossover_rate,
        foremost.effect,
        foremost.effect_low,
        foremost.effect_high,
        foremost.p_value_holm,
        foremost.chance_to_win,
        foremost.expected_loss,
        foremost.relative_lift,
        foremost.corrected_lift,
        foremost.blocking_low,
        foremost.blocking_margin,
        foremost.money_effect,
        foremost.money_low,
        foremost.money_high,
        runners_up.p_value as runner_up_p_value,
        totals.least_expected_conversions,
        coalesce(count_blocked.blocked_arms, 0) as blocked_arms,

        ---------- booleans
        ends.is_fixed,
        ends.has_ended,
        ends.has_ended_early,
        ends.has_closed,
        coalesce(
            first_receipts.started_at <= {{ lf_dateadd('hour', -1 * lf_variable('min_hours'), lf_now()) }}
            and totals.least_received >= {{ lf_variable('min_received_per_arm') }}
            and totals.converted >= {{ lf_variable('min_conversions') }}
            and totals.least_expected_conversions >= {{ lf_variable('min_expected_conversions_per_arm') }}, false
        ) as has_minimum,
        -- Days, and as long as an outcome of the first recipients may still come.
        coalesce(
            {{ lf_days_between('first_receipts.started_at', lf_now()) }}
            >= {{ lf_variable('min_days_to_decide') if lf_variable('min_days_to_decide') is not none else lf_larger('experiments.attribution_window_days', 3) }}, false
        ) as is_mature,
        coalesce(outcome_metrics.kind = 'share' and totals.converted = totals.units, false) as have_all_converted,
        coalesce(count_challengers.compared, 0) = 0 as has_one_arm,
        coalesce(foremost.is_better and not foremost.is_blocked, false) as has_better,
        coalesce(foremost.is_not_yet_safe, false) as is_not_yet_safe,
        coalesce(count_challengers.challengers, 0) > 1 as has_several_challengers,
        coalesce(count_challengers.are_all_blocked, false) as are_all_blocked,
        coalesce(count_challengers.are_all_worse, false) as are_all_worse,
        coalesce(count_challengers.are_all_equivalent, false) as are_all_equivalent,
        runners_up.is_told_apart,

        ---------- timestamps
        first_receipts.started_at,
        ends.ended_at

    from totals
    inner join experiments
        on
            totals.experiment_key = experiments.experiment_key
            and totals.experiment_version = experiments.experiment_version
    inner join outcome_metrics on experiments.primary_metric = outcome_metrics.metric
    inner join ends
        on
            totals.experiment_key = ends.experiment_key
            and totals.experiment_version = ends.experiment_version
    left join foremost
        on
            totals.experiment_key = foremost.experiment_key
            and totals.experiment_version = foremost.experiment_version
            and totals.slot_key = foremost.slot_key
    left join count_challengers
        on
            totals.experiment_key = count_challengers.experiment_key
            and totals.experiment_version = count_challengers.experiment_version
            and totals.slot_key = count_challengers.slot_key
    left join count_blocked
        on
            totals.experiment_key = count_blocked.experiment_key
            and totals.experiment_version = count_blocked.experiment_version
            and totals.slot_key = count_blocked.slot_key
    left join runners_up
        on
            totals.experiment_key = runners_up.experiment_key
            and totals.experiment_version = runners_up.experiment_version
            and totals.slot_key = runners_up.slot_key
    left join alarms
        on
            totals.experiment_key = alarms.experiment_key
            and totals.experiment_version = alarms.experiment_version
            and totals.slot_key = alarms.slot_key
    left join sizes
        on
            totals.experiment_key = sizes.experiment_key
            and totals.experiment_version = sizes.experiment_version
            and totals.slot_key = sizes.slot_key
    left join renderings
        on
            totals.experiment_key = renderings.experiment_key
            and totals.experiment_version = renderings.experiment_version
            and totals.slot_key = renderings.slot_key
    left join first_receipts
        on
            totals.experiment_key = first_receipts.experiment_key
            and totals.experiment_version = first_receipts.experiment_version

)

select * from evidence
