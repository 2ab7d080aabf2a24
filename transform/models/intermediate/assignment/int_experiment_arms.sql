with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

),

allocations as (

    select * from {{ ref('fct_allocations') }}

),

proposed as (

    select * from {{ ref('int_allocations_proposed') }}

),

frozen_slots as (

    select distinct
        experiment_key,
        experiment_version,
        slot_key
    from allocations

),

-- The file goes before, then what was frozen when the version began; a draft shows what would be. An arm that came later has nothing.
weigh as (

    select
        arms.experiment_key,
        arms.slot_key,
        arms.arm_key,
        arms.position,
        arms.is_control,
        case
            when arms.weight_bp is not null then arms.weight_bp
            when frozen_slots.slot_key is not null then coalesce(allocations.weight_bp, 0)
            else proposed.weight_bp
        end as weight_bp

    from arms
    inner join experiments on arms.experiment_key = experiments.experiment_key
    left join frozen_slots
        on
            arms.experiment_key = frozen_slots.experiment_key
            and experiments.experiment_version = frozen_slots.experiment_version
            and arms.slot_key = frozen_slots.slot_key
    left join allocations
        on
            arms.experiment_key = allocations.experiment_key
            and experiments.experiment_version = allocations.experiment_version
            and arms.slot_key = allocations.slot_key
            and arms.arm_key = allocations.arm_key
    left join proposed
        on
            arms.experiment_key = proposed.experiment_key
            and arms.slot_key = proposed.slot_key
            and arms.arm_key = proposed.arm_key

),

lay_out_ranges as (

    select
        experiment_key,
        slot_key,
        arm_key,
        position,
        is_control,
        weight_bp,
        cast(
            sum(weight_bp) over (
                partition by experiment_key, slot_key
                order by position, arm_key
                rows between unbounded preceding and current row
            ) as {{ lf_type('integer') }}
        ) as bucket_end

    from weigh

),

joined as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,
        lay_out_ranges.slot_key,
        lay_out_ranges.arm_key,

        ---------- texts
        experiments.status,

        ---------- numerics
        lay_out_ranges.position,
        lay_out_ranges.weight_bp,
        lay_out_ranges.bucket_end - lay_out_ranges.weight_bp as bucket_start,
        lay_out_ranges.bucket_end,

        ---------- booleans
        lay_out_ranges.is_control

    from lay_out_ranges
    inner join experiments on lay_out_ranges.experiment_key = experiments.experiment_key

)

select * from joined
