-- The arms of a slot own every bucket from 0 to 9999 exactly once.
with

arms as (

    select
        *,
        lag(bucket_end, 1, 0) over (partition by experiment_key, slot_key order by bucket_start, bucket_end) as previous_end,
        max(bucket_end) over (partition by experiment_key, slot_key) as last_end

    from {{ ref('int_experiment_arms') }}

)

select * from arms
where
    bucket_start <> previous_end
    or weight_bp < 0
    or last_end <> 10000
