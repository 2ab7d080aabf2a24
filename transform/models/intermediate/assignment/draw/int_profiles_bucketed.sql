with

-- Read by several steps, of which those for holdouts and quotas mostly find nothing.
drawn as {{ lf_materialized() }} (

    select * from {{ ref('int_profiles_drawn') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

salt_tries as (

    select * from {{ ref('int_salt_tries') }}

),

slot_sets as {{ lf_materialized() }} (

    select * from {{ ref('int_slot_sets') }}

),

arms as {{ lf_materialized() }} (

    select * from {{ ref('int_experiment_arms') }}

),

rules as {{ lf_materialized() }} (

    select * from {{ ref('int_assignment_rules') }}

),

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

roles as (

    select * from {{ ref('int_metric_roles') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- Only for a version without any assignment; otherwise nothing goes through its steps.
best_tries as (

    {{ lf_balanced_tries('drawn', 'experiments', 'salt_tries', 'slot_sets', 'arms', 'events', 'roles', 'outcome_metrics') }}

),

choose_tries as {{ lf_materialized() }} (

    select
        salt_tries.experiment_key,
        cast(coalesce(salt_tries.salt_try, best_tries.salt_try, 0) as {{ lf_type('integer') }}) as salt_try

    from salt_tries
    left join best_tries on salt_tries.salt_key = best_tries.salt_key

),

-- Written once per slot, and what the profiles of a slot have in common goes with them as one number: of millions, texts that repeat are what would cost.
number_slots as {{ lf_materialized() }} (

    select
        slot_sets.slot_set,
        slot_sets.experiment_key,
        slot_sets.slot_key,
        experiments.unit_hash,
        experiments.assignment_method,
        choose_tries.salt_try,
        {{ lf_split_salt('experiments', 'slot_sets.slot_key', 'choose_tries.salt_try') }} as salt,
        row_number() over (order by slot_sets.experiment_key, slot_sets.slot_key) as slot_number

    from slot_sets
    inner join experiments on slot_sets.experiment_key = experiments.experiment_key
    inner join choose_tries on slot_sets.experiment_key = choose_tries.experiment_key

),

number_arms as {{ lf_materialized() }} (

    select
        number_slots.slot_number,
        number_slots.salt_try,
        arms.experiment_key,
        arms.slot_key,
        arms.arm_key,
        arms.bucket_start,
        arms.bucket_end,
        rules.rule_id

    from number_slots
    inner join arms
        on
            number_slots.experiment_key = arms.experiment_key
            and number_slots.slot_key = arms.slot_key
    left join rules
        on
            arms.experiment_key = rules.experiment_key
            and arms.slot_key = rules.slot_key
            and arms.arm_key = rules.arm_key
            and rules.outcome = 'admitted'

),

write_texts as {{ lf_repeated() }} (

    select
        number_slots.slot_number,
        number_slots.unit_hash,
        number_slots.assignment_method,
        number_slots.salt,
        drawn.profile_id,
        drawn.layer_bucket,
        drawn.traffic_bucket,
        case when number_slots.unit_hash = 'growthbook_v2' then number_slots.salt || drawn.profile_id end as split_text

    from drawn
    inner join number_slots on drawn.slot_set = number_slots.slot_set
    where drawn.outcome = 'admitted'

),

hash_once as {{ lf_repeated() }} (

    select
        *,
        {{ lf_growthbook_text('split_text') }} as split_hash

    from write_texts

),

draw_split as {{ lf_repeated() }} (

    select
        slot_number,
        assignment_method,
        profile_id,
        layer_bucket,
        traffic_bucket,
        case
            when unit_hash = 'growthbook_v2' then {{ lf_growthbook_bucket('split_hash') }}
            else {{ lf_bucket('salt', 'profile_id') }}
        end as split_bucket

    from hash_once

),

-- A block is what one run assigns. Its ranks are spread evenly over the buckets from a start that is drawn too: each arm
-- gets its share of the block to less than one profile, and a block of one profile is drawn as if by hash.
rank_block as (

    select
        *,
        row_number() over (partition by slot_number order by split_bucket, profile_id) - 1 as place,
        count(*) over (partition by slot_number) as block_size,
        {{ lf_modulo('sum(split_bucket) over (partition by slot_number)', 10000) }} as block_start

    from draw_split
    where assignment_method = 'quota'

),

deal as (

    select
        slot_number,
        profile_id,
        split_bucket,
        layer_bucket,
        traffic_bucket,
        split_bucket as dealt_bucket
    from draw_split
    where assignment_method = 'hash'

    union all

    select
        slot_number,
        profile_id,
        split_bucket,
        layer_bucket,
        traffic_bucket,
        cast(floor({{ lf_double('place * 10000 + block_start') }} / block_size) as {{ lf_type('integer') }}) as dealt_bucket
    from rank_block

),

pick_arm as (

    select
        number_arms.experiment_key,
        number_arms.slot_key,
        number_arms.arm_key,
        number_arms.rule_id,
        deal.profile_id,
        deal.split_bucket,
        deal.layer_bucket,
        deal.traffic_bucket,
        number_arms.salt_try

    from deal
    inner join number_arms
        on
            deal.slot_number = number_arms.slot_number
            and deal.dealt_bucket >= number_arms.bucket_start
            and deal.dealt_bucket < number_arms.bucket_end

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
        rules.rule_id,
        draw_holdout.profile_id,
        draw_holdout.outcome,
        draw_holdout.holdout_bucket as split_bucket,
        draw_holdout.layer_bucket,
        draw_holdout.traffic_bucket,
        choose_tries.salt_try

    from draw_holdout
    inner join count_sets
        on
            draw_holdout.experiment_key = count_sets.experiment_key
            and draw_holdout.slot_sets = count_sets.slot_sets
    inner join choose_tries on draw_holdout.experiment_key = choose_tries.experiment_key
    left join rules
        on
            draw_holdout.experiment_key = rules.experiment_key
            and draw_holdout.outcome = rules.outcome

),

unioned as (

    select
        ---------- ids
        experiment_key,
        slot_key,
        arm_key,
        rule_id,
        profile_id,

        ---------- texts
        'admitted' as outcome,

        ---------- numerics
        split_bucket,
        layer_bucket,
        traffic_bucket,
        salt_try
    from pick_arm

    union all

    select
        experiment_key,
        slot_key,
        arm_key,
        rule_id,
        profile_id,
        outcome,
        split_bucket,
        layer_bucket,
        traffic_bucket,
        salt_try
    from hold_out

)

select * from unioned
