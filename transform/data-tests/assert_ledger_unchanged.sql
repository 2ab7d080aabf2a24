-- The ledger never changes an arm and loses no row: every run that was written down is found in it as it was left, arm by arm.
-- It is looked at before anything is appended, so that nobody whose row was lost is assigned anew.
-- depends_on: {{ ref('int_newcomers') }}
with

ledger as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        assigned_at,
        count(*) as profiles,
        sum(bucket) as bucket_sum
    from {{ lf_ledger('fct_assignments') }}
    group by experiment_key, experiment_version, slot_key, arm_key, assigned_at

)

select
    recorded.*,
    ledger.profiles as profiles_now,
    ledger.bucket_sum as bucket_sum_now
from {{ lf_ledger('fct_assignment_runs') }} as recorded
left join ledger
    on
        recorded.experiment_key = ledger.experiment_key
        and recorded.experiment_version = ledger.experiment_version
        and recorded.slot_key = ledger.slot_key
        and recorded.arm_key = ledger.arm_key
        and recorded.assigned_at = ledger.assigned_at
where
    ledger.arm_key is null
    or recorded.profiles <> ledger.profiles
    or recorded.bucket_sum <> ledger.bucket_sum
