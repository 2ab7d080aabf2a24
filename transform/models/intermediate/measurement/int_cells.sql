with

units as (

    select * from {{ ref('int_units') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

-- All units of a cell have the same assignments: those of one are looked up.
representatives as (

    select
        experiment_key,
        experiment_version,
        cell,
        min(profile_id) as profile_id,
        cast(count(*) as {{ lf_type('bigint') }}) as units,
        cast(sum(case when has_received then 1 else 0 end) as {{ lf_type('bigint') }}) as received

    from units
    group by experiment_key, experiment_version, cell

),

cells as (

    select
        ---------- ids
        representatives.experiment_key,
        representatives.experiment_version,
        assignments.slot_key,
        assignments.arm_key,

        ---------- texts
        representatives.cell,

        ---------- numerics
        representatives.units,
        representatives.received,

        ---------- booleans
        arms.is_control,
        coalesce(units.received_at < assignments.assigned_at, false) as is_late,

        ---------- dates
        cast(assignments.assigned_at as date) as assigned_on

    from representatives
    inner join units
        on
            representatives.experiment_key = units.experiment_key
            and representatives.experiment_version = units.experiment_version
            and representatives.profile_id = units.profile_id
    inner join assignments
        on
            representatives.experiment_key = assignments.experiment_key
            and representatives.experiment_version = assignments.experiment_version
            and representatives.profile_id = assignments.profile_id
    inner join arms
        on
            assignments.experiment_key = arms.experiment_key
            and assignments.experiment_version = arms.experiment_version
            and assignments.slot_key = arms.slot_key
            and assignments.arm_key = arms.arm_key

)

select * from cells
