with

drawn as (

    select * from {{ ref('int_profiles_drawn') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

salt_tries as (

    select * from {{ ref('int_salt_tries') }}

),

slot_sets as (

    select * from {{ ref('int_slot_sets') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

add_salts as (

    select
        slot_sets.slot_set,
        slot_sets.experiment_key,
        slot_sets.slot_key,
        experiments.unit_hash,
        experiments.assignment_method,
        {{ lf_split_salt('experiments', 'slot_sets.slot_key', 'salt_tries.salt_try') }} as salt

    from slot_sets
    inner join experiments on slot_sets.experiment_key = experiments.experiment_key
    inner join salt_tries on slot_sets.experiment_key = salt_tries.experiment_key

),

hash_texts as (

    select
        add_salts.*,
        drawn.profile_id,
        drawn.layer_bucket,
        drawn.traffic_bucket,
        case when add_salts.unit_hash = 'growthbook_v2' then add_salts.salt || drawn.profile_id end as split_text

    from drawn
    inner join add_salts on drawn.slot_set = add_salts.slot_set
    where drawn.outcome = 'admitted'

),

hash_once as (

    select
        *,
        {{ lf_growthbook_text('split_text') }} as split_hash

    from hash_texts

),

draw_split as (

    select
        *,
        case
            when unit_hash = 'growthbook_v2' then {{ lf_growthbook_bucket('split_hash') }}
            else {{ lf_bucket('salt', 'profile_id') }}
        end as split_bucket

    from hash_once

),

pick_arm as (

    select
        draw_split.experiment_key,
        draw_split.slot_key,
        arms.arm_key,
        draw_split.profile_id,
        draw_split.split_bucket,
        draw_split.layer_bucket,
        draw_split.traffic_bucket

    from draw_split
    inner join arms
        on
            draw_split.experiment_key = arms.experiment_key
            and draw_split.slot_key = arms.slot_key
            and draw_split.split_bucket >= arms.bucket_start
            and draw_split.split_bucket < arms.bucket_end

),

count_sets as (

    select
        experiment_key,
        count(distinct slot_set) as slot_sets
    from slot_sets
    group by experiment_key

),

draw_holdout as (

    select
        experiment_key,
        profile_id,
        outcome,
        max(case when outcome = 'held_out' then holdout_bucket else global_holdout_bucket end) as holdout_bucket,
        max(layer_bucket) as layer_bucket,
        max(traffic_bucket) as traffic_bucket,
        count(*) as slot_sets

    from drawn
    where outcome in ('held_out', 'held_out_globally')
    group by experiment_key, profile_id, outcome

),

-- Who was assigned in some slot before the holdout was raised stays in: only who is new to all slots is held out.
hold_out as (

    select
        draw_holdout.experiment_key,
        '*' as slot_key,
        'holdout' as arm_key,
        draw_holdout.profile_id,
        draw_holdout.outcome,
        draw_holdout.holdout_bucket as split_bucket,
        draw_holdout.layer_bucket,
        draw_holdout.traffic_bucket

    from draw_holdout
    inner join count_sets
        on
            draw_holdout.experiment_key = count_sets.experiment_key
            and draw_holdout.slot_sets = count_sets.slot_sets

),

unioned as (

    select
        ---------- ids
        experiment_key,
        slot_key,
        arm_key,
        profile_id,

        ---------- texts
        'admitted' as outcome,

        ---------- numerics
        split_bucket,
        layer_bucket,
        traffic_bucket
    from pick_arm

    union all

    select
        experiment_key,
        slot_key,
        arm_key,
        profile_id,
        outcome,
        split_bucket,
        layer_bucket,
        traffic_bucket
    from hold_out

)

select * from unioned
