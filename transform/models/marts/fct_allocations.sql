{{ config(materialized='append_only') }}

with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

),

proposed as (

    select * from {{ ref('int_allocations_proposed') }}

),

decide as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,
        arms.slot_key,
        arms.arm_key,
        coalesce(arms.snippet, experiments.experiment_key || '.' || arms.slot_key) as content_key,

        ---------- numerics
        coalesce(arms.weight_bp, proposed.weight_bp) as weight_bp,

        ---------- texts
        case
            when arms.weight_bp is null then 'thompson: ' || proposed.reason
            when arms.allocation = 'thompson' then 'thompson, but accepted or set in the file'
            else arms.allocation || ', as the file says'
        end as reason,

        ---------- timestamps
        {{ lf_now() }} as decided_at

    from experiments
    inner join arms on experiments.experiment_key = arms.experiment_key
    left join proposed
        on
            arms.experiment_key = proposed.experiment_key
            and arms.slot_key = proposed.slot_key
            and arms.arm_key = proposed.arm_key
    where experiments.status = 'live'

),

-- Frozen with the slot: what later campaigns teach changes nothing inside a version.
keep_new as (

    select decide.*
    from decide
    left join {{ lf_ledger('fct_allocations') }} as frozen
        on
            decide.experiment_key = frozen.experiment_key
            and decide.experiment_version = frozen.experiment_version
            and decide.slot_key = frozen.slot_key
    where frozen.slot_key is null

)

select * from keep_new
