with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

audiences as (

    select * from {{ ref('int_experiment_audiences') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

arms_and_holdouts as (

    select
        experiment_key,
        slot_key,
        arm_key,
        'admitted' as outcome,
        '; traffic ' as restriction,
        '; arm owns [' || {{ lf_text('bucket_start') }}
            || ', ' || {{ lf_text('bucket_end') }} || ')' as range_text
    from arms

    union all

    select
        experiment_key,
        '*' as slot_key,
        'holdout' as arm_key,
        'held_out' as outcome,
        '; held out by its own holdout of ' as restriction,
        '' as range_text
    from experiments
    where holdout_bp > 0

    union all

    select
        experiment_key,
        '*' as slot_key,
        'holdout' as arm_key,
        'held_out_globally' as outcome,
        '; held out by the global holdout of ' as restriction,
        '' as range_text
    from experiments
    where global_holdout_bp > 0

),

write_reasons as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,
        arms_and_holdouts.slot_key,
        arms_and_holdouts.arm_key,
        arms_and_holdouts.outcome,

        ---------- texts
        case
            when audiences.group_type = 'flow' then 'asked for by the flow ' || audiences.audience
            else 'member of ' || audiences.group_type || ' ' || audiences.group_id
        end
            || case when experiments.layer_name is not null and arms_and_holdouts.outcome = 'admitted'
                then '; layer ' || experiments.layer_name || ' [' || {{ lf_text('experiments.layer_start_bp') }}
                    || ', ' || {{ lf_text('experiments.layer_end_bp') }} || ')'
                else '' end
            || arms_and_holdouts.restriction
            || case arms_and_holdouts.outcome
                when 'held_out' then {{ lf_text('experiments.holdout_bp') }}
                when 'held_out_globally' then {{ lf_text('experiments.global_holdout_bp') }}
                else {{ lf_text('experiments.traffic_bp') }}
            end || ' bp'
            || case
                when experiments.assignment_method = 'quota' and arms_and_holdouts.outcome = 'admitted'
                    then '; dealt in exact counts by the rank of the bucket'
                else arms_and_holdouts.range_text
            end as reason,
        {{ lf_targeting('experiments') }} as targeting,
        experiments.preregistration_sha256,

        ---------- timestamps
        audiences.snapshot_at

    from experiments
    inner join audiences on experiments.experiment_key = audiences.experiment_key
    inner join arms_and_holdouts on experiments.experiment_key = arms_and_holdouts.experiment_key
    where
        experiments.status = 'live'
        and audiences.resolution = 'found'

),

add_id as (

    select
        {{ lf_rule_id([
            'experiment_key', lf_text('experiment_version'), 'slot_key', 'arm_key', 'outcome', 'reason', 'targeting',
            'preregistration_sha256',
        ]) }} as rule_id,
        *
    from write_reasons

)

select * from add_id
