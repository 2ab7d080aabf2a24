with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

-- An ended experiment, an earlier version and an arm that is no longer defined have nothing to render.
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
    where
        arms.status = 'live'
        and assignments.slot_key <> '*'

)

select * from keep_live
