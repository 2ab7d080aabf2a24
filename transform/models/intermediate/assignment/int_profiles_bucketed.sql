with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

audiences as (

    select * from {{ ref('int_experiment_audiences') }}

),

members as (

    select * from {{ ref('int_group_members') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

slots as (

    select distinct
        experiment_key,
        experiment_version,
        slot_key
    from arms

),

-- Traffic and split have salts of their own, so a ramp moves nobody between arms.
draw_traffic as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        experiments.traffic_bp,
        audiences.group_type,
        audiences.group_id,
        members.profile_id,
        {{ lf_bucket(lf_traffic_salt('experiments'), 'members.profile_id') }} as traffic_bucket

    from experiments
    inner join audiences on experiments.experiment_key = audiences.experiment_key
    inner join members
        on
            audiences.group_type = members.group_type
            and audiences.group_id = members.group_id
    -- A member that is no profile any more, or has not been read yet, could not be written to.
    inner join profiles on members.profile_id = profiles.profile_id
    where experiments.status = 'live'

),

draw_split as (

    select
        draw_traffic.*,
        slots.slot_key,
        {{ lf_bucket(lf_split_salt('slots'), 'draw_traffic.profile_id') }} as split_bucket

    from draw_traffic
    inner join slots on draw_traffic.experiment_key = slots.experiment_key
    where draw_traffic.traffic_bucket < draw_traffic.traffic_bp

),

pick_arm as (

    select
        ---------- ids
        draw_split.experiment_key,
        draw_split.experiment_version,
        draw_split.slot_key,
        arms.arm_key,
        draw_split.profile_id,
        draw_split.group_type,
        draw_split.group_id,

        ---------- numerics
        draw_split.traffic_bp,
        draw_split.traffic_bucket,
        draw_split.split_bucket,
        arms.bucket_start,
        arms.bucket_end

    from draw_split
    inner join arms
        on
            draw_split.experiment_key = arms.experiment_key
            and draw_split.slot_key = arms.slot_key
            and draw_split.split_bucket >= arms.bucket_start
            and draw_split.split_bucket < arms.bucket_end

)

select * from pick_arm
