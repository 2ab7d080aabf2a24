with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

properties_held as (

    select * from {{ ref('int_properties_held') }}

),

-- An earlier version and an arm that is no longer defined have nothing to render, nor has an experiment that has ended. With a winner,
-- copies of the template from before still look for the arm, in flows above all, until the author says that there are none.
keep_live as (

    select
        assignments.profile_id,
        assignments.experiment_key,
        assignments.slot_key,
        assignments.arm_key

    from assignments
    inner join arms
        on
            assignments.experiment_key = arms.experiment_key
            and assignments.experiment_version = arms.experiment_version
            and assignments.slot_key = arms.slot_key
            and assignments.arm_key = arms.arm_key
    inner join experiments on assignments.experiment_key = experiments.experiment_key
    where
        (arms.status = 'live' or (experiments.is_shipped and not experiments.is_cleaned_up))
        and assignments.slot_key <> '*'

),

versions_before as (

    select
        assignments.experiment_key,
        max(assignments.experiment_version) as experiment_version

    from assignments
    inner join experiments on assignments.experiment_key = experiments.experiment_key
    where
        experiments.status = 'draft'
        and assignments.experiment_version < experiments.experiment_version
    group by assignments.experiment_key

),

assigned_before as (

    select
        assignments.profile_id,
        assignments.experiment_key,
        assignments.slot_key,
        assignments.arm_key

    from assignments
    inner join versions_before
        on
            assignments.experiment_key = versions_before.experiment_key
            and assignments.experiment_version = versions_before.experiment_version
    where assignments.slot_key <> '*'

),

-- Read only where there is such a draft: these are the properties of all profiles.
held as (

    select
        profile_id,
        property,
        replace({{ lf_json_serialized('value') }}, ' ', '') as value
    from properties_held
    where exists (select 1 from versions_before)

),

-- The draft of a next version changes nothing: who holds an arm of the version before keeps it, and who was cleaned up gets none back.
keep_held as (

    select distinct
        assigned_before.profile_id,
        assigned_before.experiment_key,
        assigned_before.slot_key,
        assigned_before.arm_key

    from assigned_before
    inner join held
        on
            assigned_before.profile_id = held.profile_id
            and {{ lf_holds_arm('held', 'assigned_before') }}

),

unioned as (

    select * from keep_live

    union all

    select * from keep_held

)

select * from unioned
