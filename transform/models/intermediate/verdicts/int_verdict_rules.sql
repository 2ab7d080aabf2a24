with

evidence as (

    select * from {{ ref('int_slot_evidence') }}

),

-- The first rule that holds decides. What has ended below the minimum stays undecided: nothing more will come.
decide as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        case
            when srm_stage is not null then 'srm_alarm'
            when
                crossover_rate > {{ lf_variable('crossover_max_rate') }}
                and crossovers >= {{ lf_variable('crossover_min_profiles') }}
                then 'crossover_above_limit'
            when received = 0 then 'nobody_received'
            when not has_minimum and not has_ended then 'below_minimum'
            when not has_minimum then 'ended_below_minimum'
            when has_one_arm then 'one_arm_left'
            when have_all_converted then 'everybody_converted'
            when are_all_blocked then 'guardrail_exceeded'
            when is_fixed and has_ended_early then 'ended_before_planned_stop'
            when is_fixed and not has_ended then 'waiting_for_planned_stop'
            when is_fixed and not has_closed then 'waiting_for_outcomes'
            when has_better and not is_mature then 'ahead_too_early'
            when has_better and is_fixed then 'fixed_test_above_zero'
            when has_better then 'interval_above_zero'
            when are_all_worse and is_fixed then 'fixed_tests_below_zero'
            when are_all_worse then 'intervals_below_zero'
            when are_all_equivalent and is_mature then 'interval_within_half_effect'
            when has_ended then 'ended_undecided'
            else 'undecided'
        end as rule

    from evidence

),

name_verdict as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,

        ---------- texts
        rule,
        case rule
            when 'srm_alarm' then 'invalid_srm'
            when 'crossover_above_limit' then 'invalid_crossover'
            when 'nobody_received' then 'no_data'
            when 'below_minimum' then 'too_early'
            when 'ended_below_minimum' then 'inconclusive'
            when 'one_arm_left' then 'inconclusive'
            when 'everybody_converted' then 'inconclusive'
            when 'guardrail_exceeded' then 'blocked_guardrail'
            when 'ended_before_planned_stop' then 'inconclusive'
            when 'ahead_too_early' then 'ahead'
            when 'fixed_test_above_zero' then 'winner'
            when 'interval_above_zero' then 'winner'
            when 'fixed_tests_below_zero' then 'control_wins'
            when 'intervals_below_zero' then 'control_wins'
            when 'interval_within_half_effect' then 'equivalent'
            when 'ended_undecided' then 'inconclusive'
            else 'running'
        end as verdict

    from decide

)

select * from name_verdict
