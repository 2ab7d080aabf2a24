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

)

select * from keep_live
