with

source as (

    select * from {{ lf_source('experiments', 'experiment_arms') }}

),

-- The loader deletes nothing: what the last complete reading of the folder did not touch is no longer defined.
last_reading as (

    select max(defined_at) as defined_at from {{ lf_source('experiments', 'definition_snapshots') }}

),

renamed as (

    select
        ---------- ids
        experiment_key,
        slot_key,
        arm_key,

        ---------- texts
        content_sha256,
        snippet,
        allocation,
        html,
        text,
        subject,

        ---------- numerics
        cast(position as integer) as position,
        cast(weight_bp as integer) as weight_bp,
        cast(thompson_floor_bp as integer) as thompson_floor_bp,
        cast(thompson_half_life_days as integer) as thompson_half_life_days,
        cast(thompson_at_most as bigint) as thompson_at_most,

        ---------- booleans
        is_control,
        coalesce(is_winner, false) as is_winner,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
