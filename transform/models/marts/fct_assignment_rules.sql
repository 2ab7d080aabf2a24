{{ config(materialized='append_only') }}

with

rules as (

    select * from {{ ref('int_assignment_rules') }}

),

-- A rule is written down before the first who is assigned by it.
keep_new as (

    select
        ---------- ids
        rules.rule_id,
        rules.experiment_key,
        rules.experiment_version,
        rules.slot_key,
        rules.arm_key,

        ---------- texts
        case when rules.outcome = 'admitted' then 'assigned' else 'held_out' end as status,
        rules.reason,
        rules.targeting,
        rules.preregistration_sha256,

        ---------- timestamps
        {{ lf_now() }} as first_used_at

    from rules
    left join {{ lf_ledger('fct_assignment_rules') }} as recorded on rules.rule_id = recorded.rule_id
    where recorded.rule_id is null

)

select * from keep_new
