with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

slots as {{ lf_materialized() }} (

    select distinct
        experiment_key,
        experiment_version,
        slot_key
    from arms
    where status = 'live'

),

-- What each earlier run assigned to each slot.
runs as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        assigned_at,
        count(*) as profiles
    from {{ lf_ledger('fct_assignments') }}
    group by experiment_key, experiment_version, slot_key, assigned_at

),

count_slots as (

    select
        experiment_key,
        experiment_version,
        count(*) as slots
    from slots
    group by experiment_key, experiment_version

),

compare_runs as (

    select
        slots.experiment_key,
        slots.experiment_version,
        runs.assigned_at,
        count(*) as slots,
        min(runs.profiles) as least,
        max(runs.profiles) as most

    from slots
    inner join runs
        on
            slots.experiment_key = runs.experiment_key
            and slots.experiment_version = runs.experiment_version
            and slots.slot_key = runs.slot_key
    group by slots.experiment_key, slots.experiment_version, runs.assigned_at

),

-- Every run assigned all slots to the same profiles, or the slots were not defined at the same times.
find_parted as (

    select distinct
        compare_runs.experiment_key,
        compare_runs.experiment_version
    from compare_runs
    inner join count_slots
        on
            compare_runs.experiment_key = count_slots.experiment_key
            and compare_runs.experiment_version = count_slots.experiment_version
    where
        compare_runs.slots <> count_slots.slots
        or compare_runs.least <> compare_runs.most

),

name_sets as (

    select
        slots.*,
        case
            when find_parted.experiment_key is null
                then min(slots.slot_key) over (partition by slots.experiment_key, slots.experiment_version)
            else slots.slot_key
        end as first_slot_key

    from slots
    left join find_parted
        on
            slots.experiment_key = find_parted.experiment_key
            and slots.experiment_version = find_parted.experiment_version

),

number_sets as (

    select
        ---------- ids
        cast(
            dense_rank() over (order by experiment_key, experiment_version, first_slot_key) as {{ lf_type('integer') }}
        ) as slot_set,
        experiment_key,
        experiment_version,
        slot_key,

        ---------- booleans
        slot_key = first_slot_key as is_first

    from name_sets

)

select * from number_sets
