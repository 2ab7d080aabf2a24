{#- Rules without a reason were written by earlier versions, of audiences that were not found. Nobody was assigned by one. -#}
{{
    config(
        materialized='append_only',
        pre_hook="{{ lf_delete_rows(this, 'reason is null') }}",
    )
}}

with

rules as (

    select * from {{ ref('int_assignment_rules') }}

),

-- A rule is written down before the first who is assigned by it. What its own tests would refuse is not: it would fail them in every run to come.
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
    where
        recorded.rule_id is null
        and rules.rule_id is not null
        and rules.reason is not null

)

select * from keep_new
