-- Integrity: the units of the measured versions are the rows of the ledger, arm by arm.
with

ledger as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        count(*) as units
    from {{ ref('fct_assignments') }}
    group by experiment_key, experiment_version, slot_key, arm_key

),

results as (

    select * from {{ ref('int_moments') }}

)

select
    results.*,
    ledger.units as ledger_units
from results
left join ledger
    on
        results.experiment_key = ledger.experiment_key
        and results.experiment_version = ledger.experiment_version
        and results.slot_key = ledger.slot_key
        and results.arm_key = ledger.arm_key
where
    results.analysis = 'assigned'
    and results.units <> coalesce(ledger.units, 0)
