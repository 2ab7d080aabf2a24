with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

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
            ) as integer
        ) as bucket_end

    from arms

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
