{{ config(materialized='append_only') }}

with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

count_runs as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,

        ---------- numerics
        cast(count(*) as {{ lf_type('bigint') }}) as profiles,
        cast(sum(bucket) as {{ lf_type('bigint') }}) as bucket_sum,

        ---------- timestamps
        assigned_at

    from assignments
    group by experiment_key, experiment_version, slot_key, arm_key, assigned_at

),

-- What was written down once is not written down anew: the ledger is held against it (assert_ledger_unchanged).
keep_new as (

    select count_runs.*
    from count_runs
    left join {{ lf_ledger('fct_assignment_runs') }} as recorded
        on
            count_runs.experiment_key = recorded.experiment_key
            and count_runs.experiment_version = recorded.experiment_version
            and count_runs.slot_key = recorded.slot_key
            and count_runs.arm_key = recorded.arm_key
            and count_runs.assigned_at = recorded.assigned_at
    where recorded.arm_key is null

)

select * from keep_new
