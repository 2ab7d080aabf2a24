{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
    )
}}

with

bucketed as (

    select * from {{ ref('int_profiles_bucketed') }}

),

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

    union all

    select
        experiment_key,
        '*' as slot_key,
        'holdout' as arm_key,
        'held_out_globally' as outcome,
        '; held out by the global holdout of ' as restriction,
        '' as range_text
    from experiments

),

-- The texts are written once per arm, not once per profile.
write_reasons as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        experiments.preregistration_sha256,
        experiments.assignment_method,
        {{ lf_targeting('experiments') }} as targeting,
        arms_and_holdouts.slot_key,
        arms_and_holdouts.arm_key,
        arms_and_holdouts.outcome,
        audiences.snapshot_at,
        'member of ' || audiences.group_type || ' ' || audiences.group_id
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
            end as reason

    from experiments
    inner join audiences on experiments.experiment_key = audiences.experiment_key
    inner join arms_and_holdouts on experiments.experiment_key = arms_and_holdouts.experiment_key

),

-- Newcomers only: who has a row keeps it, whatever the split, the traffic or the audience became (int_newcomers).
add_reason as (

    select
        ---------- ids
        write_reasons.experiment_key,
        write_reasons.experiment_version,
        write_reasons.slot_key,
        write_reasons.arm_key,
        bucketed.profile_id,

        ---------- numerics
        bucketed.split_bucket as bucket,
        bucketed.layer_bucket,
        bucketed.traffic_bucket,
        bucketed.salt_try,

        ---------- timestamps
        {{ lf_now() }} as assigned_at,
        write_reasons.snapshot_at as audience_snapshot_at,

        ---------- texts
        case when bucketed.outcome = 'admitted' then 'assigned' else 'held_out' end as status,
        write_reasons.reason,
        write_reasons.targeting,
        write_reasons.preregistration_sha256

    from bucketed
    inner join write_reasons
        on
            bucketed.experiment_key = write_reasons.experiment_key
            and bucketed.slot_key = write_reasons.slot_key
            and bucketed.arm_key = write_reasons.arm_key
            and bucketed.outcome = write_reasons.outcome

)

select * from add_reason
