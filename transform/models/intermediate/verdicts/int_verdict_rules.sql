with

evidence as (

    select * from {{ ref('int_slot_evidence') }}

),

-- The first rule that holds decides. What has ended below the minimum stays undecided: nothing more will come.
decide as (

    select
        experiment_key,
        slot_key,
        case
            when srm_stage is not null then 'srm_alarm'
            when
                crossover_rate > {{ var('crossover_max_rate') }}
                and crossovers >= {{ var('crossover_min_profiles') }}
                then 'crossover_above_limit'
            when received = 0 then 'nobody_received'
            when not has_minimum and not has_ended then 'below_minimum'
            when not has_minimum then 'ended_below_minimum'
            when has_blocked and not has_winner then 'guardrail_exceeded'
            when has_winner and is_above_zero then 'interval_above_zero'
            when has_winner then 'likely_at_planned_end'
            when are_all_below_zero then 'intervals_below_zero'
            when are_all_worse then 'unlikely_at_planned_end'
            when are_all_equivalent then 'interval_within_half_effect'
            when has_ended then 'ended_undecided'
            else 'undecided'
        end as rule

    from evidence

),

name_verdict as (

    select
        ---------- ids
        experiment_key,
        slot_key,

        ---------- texts
        rule,
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
        end as verdict

    from decide

)

select * from name_verdict
