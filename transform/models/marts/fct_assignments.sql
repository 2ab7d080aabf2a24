{{
    config(
        materialized='append_only',
        post_hook="{{ lf_refuse_other_arms(this, ref('stg_klaviyo__profiles'), ref('int_experiment_arms')) }}",
    )
}}

with

bucketed as (

    select * from {{ ref('int_profiles_bucketed') }}

),

rules as (

    select * from {{ ref('int_assignment_rules') }}

),

recorded as (

    select * from {{ ref('fct_assignment_rules') }}

),

-- Newcomers only: who has a row keeps it, whatever the split, the traffic or the audience became (int_newcomers).
add_rule as (

    select
        ---------- ids
        rules.experiment_key,
        rules.experiment_version,
        rules.slot_key,
        rules.arm_key,
        bucketed.profile_id,
        bucketed.rule_id,

        ---------- numerics
        bucketed.split_bucket as bucket,
        bucketed.layer_bucket,
        bucketed.traffic_bucket,
        bucketed.salt_try,

        ---------- timestamps
        {{ lf_now() }} as assigned_at,
        rules.snapshot_at as audience_snapshot_at

    from bucketed
    inner join rules on bucketed.rule_id = rules.rule_id
    inner join recorded on bucketed.rule_id = recorded.rule_id

)

select * from add_rule
