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

-- The arm that a verdict speaks of: the best winner, else a blocked arm, else the one that leads.
foremost as (

    select * from challengers
    where challenger_rank = 1

),

count_challengers as (

    select
        experiment_key,
        slot_key,
        count(*) as challengers,
        max(case when is_blocked then 1 else 0 end) = 1 as has_blocked,
        min(case when is_below_zero then 1 else 0 end) = 1 as are_all_below_zero,
        min(case when is_below_zero or is_likely_worse then 1 else 0 end) = 1 as are_all_worse,
        min(case when is_equivalent then 1 else 0 end) = 1 as are_all_equivalent

    from challengers
    group by experiment_key, slot_key

),

first_receipts as (

    select
        experiment_key,
        min(received_at) as started_at

    from receipts
    group by experiment_key

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
        foremost.blocking_low,
        foremost.blocking_margin,

        ---------- booleans
        experiments.status = 'ended' as has_ended,
        coalesce(
            first_receipts.started_at <= {{ lf_dateadd('hour', -1 * var('min_hours'), lf_now()) }}
            and totals.least_received >= {{ var('min_received_per_arm') }}
            and totals.converted >= {{ var('min_conversions') }}, false
        ) as has_minimum,
        coalesce((foremost.is_above_zero or foremost.is_likely_better) and not foremost.is_blocked, false) as has_winner,
        coalesce(foremost.is_above_zero, false) as is_above_zero,
        coalesce(foremost.is_not_yet_safe, false) as is_not_yet_safe,
        coalesce(count_challengers.challengers, 0) > 1 as has_several_challengers,
        coalesce(count_challengers.has_blocked, false) as has_blocked,
        coalesce(count_challengers.are_all_below_zero, false) as are_all_below_zero,
        coalesce(count_challengers.are_all_worse, false) as are_all_worse,
        coalesce(count_challengers.are_all_equivalent, false) as are_all_equivalent,

        ---------- timestamps
        first_receipts.started_at

    from totals
    inner join experiments on totals.experiment_key = experiments.experiment_key
    left join foremost
        on
            totals.experiment_key = foremost.experiment_key
            and totals.slot_key = foremost.slot_key
    left join count_challengers
        on
            totals.experiment_key = count_challengers.experiment_key
            and totals.slot_key = count_challengers.slot_key
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
            and totals.slot_key = renderings.slot_key
    left join first_receipts on totals.experiment_key = first_receipts.experiment_key

)

select * from evidence
