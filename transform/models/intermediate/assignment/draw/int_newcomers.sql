with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

audiences as (

    select * from {{ ref('int_experiment_audiences') }}

),

members as (

    select * from {{ ref('int_group_members') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

targeted as (

    select * from {{ ref('int_profiles_targeted') }}

),

slot_sets as {{ lf_materialized() }} (

    select * from {{ ref('int_slot_sets') }}

),

-- One slot stands for its set; who is held out has one row for all slots.
slots_looked_up as (

    select
        slot_set,
        experiment_key,
        experiment_version,
        slot_key
    from slot_sets
    where is_first

    union all

    select
        slot_set,
        experiment_key,
        experiment_version,
        '*' as slot_key
    from slot_sets
    where is_first

),

-- Joined by a number and the profile alone: of millions of rows, texts that repeat are what would cost.
known as (

    select
        slots_looked_up.slot_set,
        ledger.profile_id

    from {{ lf_ledger('fct_assignments') }} as ledger
    inner join slots_looked_up
        on
            ledger.experiment_key = slots_looked_up.experiment_key
            and ledger.experiment_version = slots_looked_up.experiment_version
            and ledger.slot_key = slots_looked_up.slot_key

),

audience_members as (

    select
        slot_sets.slot_set,
        experiments.experiment_key,
        members.profile_id,
        {{ lf_has_conditions('experiments') }} as has_conditions

    from experiments
    inner join audiences on experiments.experiment_key = audiences.experiment_key
    inner join slot_sets
        on
            experiments.experiment_key = slot_sets.experiment_key
            and slot_sets.is_first
    inner join members
        on
            audiences.group_type = members.group_type
            and audiences.group_id = members.group_id
    where
        experiments.status = 'live'
        and members.profile_id <> ''

),

keep_unknown as (

    select audience_members.*
    from audience_members
    left join known
        on
            audience_members.slot_set = known.slot_set
            and audience_members.profile_id = known.profile_id
    where known.profile_id is null

),

-- A member that is no profile any more, or has not been read yet, could not be written to.
keep_targeted as (

    select
        ---------- ids
        keep_unknown.slot_set,
        keep_unknown.experiment_key,
        keep_unknown.profile_id

    from keep_unknown
    inner join profiles on keep_unknown.profile_id = profiles.profile_id
    left join targeted
        on
            keep_unknown.experiment_key = targeted.experiment_key
            and keep_unknown.profile_id = targeted.profile_id
    where
        not keep_unknown.has_conditions
        or targeted.profile_id is not null

)

select * from keep_targeted
