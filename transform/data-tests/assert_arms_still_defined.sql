{{ config(severity='warn') }}

select distinct
    'Experiment ' || assignments.experiment_key || ': profiles are assigned to ' || assignments.slot_key || '.'
    || assignments.arm_key || ', which version ' || {{ lf_text('assignments.experiment_version') }}
    || ' no longer defines; they see the control. Put the arm back, or raise the version.' as problem
from {{ ref('fct_assignments') }} as assignments
inner join {{ ref('stg_experiments__experiments') }} as experiments
    on
        assignments.experiment_key = experiments.experiment_key
        and assignments.experiment_version = experiments.experiment_version
left join {{ ref('int_experiment_arms') }} as arms
    on
        assignments.experiment_key = arms.experiment_key
        and assignments.slot_key = arms.slot_key
        and assignments.arm_key = arms.arm_key
where
    experiments.status = 'live'
    and assignments.slot_key <> '*'
    and arms.arm_key is null
