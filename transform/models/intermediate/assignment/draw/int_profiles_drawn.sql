with

newcomers as (

    select * from {{ ref('int_newcomers') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

-- Written once per experiment, not once per profile.
write_salts as {{ lf_materialized() }} (

    select
        *,
        {{ lf_global_holdout_salt('experiments') }} as global_holdout_salt,
        {{ lf_holdout_salt('experiments') }} as holdout_salt,
        {{ lf_layer_salt('experiments') }} as layer_salt,
        {{ lf_traffic_salt('experiments') }} as traffic_salt

    from experiments

),

-- What GrowthBook's hash is of; null, and so not hashed, where the hash is md5.
write_texts as (

    select
        newcomers.slot_set,
        newcomers.profile_id,
        write_salts.*,
        case when write_salts.unit_hash = 'growthbook_v2' then write_salts.holdout_salt || newcomers.profile_id end as holdout_text,
        case when write_salts.unit_hash = 'growthbook_v2' then write_salts.traffic_salt || newcomers.profile_id end as traffic_text

    from newcomers
    inner join write_salts on newcomers.experiment_key = write_salts.experiment_key

),

hash_texts as (

    select
        *,
        {{ lf_growthbook_text('holdout_text') }} as holdout_hash,
        {{ lf_growthbook_text('traffic_text') }} as traffic_hash

    from write_texts

),

-- Each draw has a salt of its own, so a ramp moves nobody between arms. Layers and the global holdout belong to no
-- experiment, so they are always drawn by md5. What does not restrict is not drawn: of millions, a draw is half the cost.
draw as (

    select
        slot_set,
        experiment_key,
        profile_id,
        global_holdout_bp,
        holdout_bp,
        layer_name,
        layer_start_bp,
        layer_end_bp,
        traffic_bp,
        case when global_holdout_bp > 0 then {{ lf_bucket('global_holdout_salt', 'profile_id') }} end as global_holdout_bucket,
        case
            when holdout_bp > 0 and unit_hash = 'growthbook_v2' then {{ lf_growthbook_bucket('holdout_hash') }}
            when holdout_bp > 0 then {{ lf_bucket('holdout_salt', 'profile_id') }}
        end as holdout_bucket,
        case when layer_name is not null then {{ lf_bucket('layer_salt', 'profile_id') }} end as layer_bucket,
        case
            when traffic_bp < 10000 and unit_hash = 'growthbook_v2' then {{ lf_growthbook_bucket('traffic_hash') }}
            when traffic_bp < 10000 then {{ lf_bucket('traffic_salt', 'profile_id') }}
        end as traffic_bucket

    from hash_texts

),

decide as (

    select
        ---------- ids
        slot_set,
        experiment_key,
        profile_id,

        ---------- texts
        case
            when global_holdout_bucket < global_holdout_bp then 'held_out_globally'
            when holdout_bucket < holdout_bp then 'held_out'
            when layer_name is not null and (layer_bucket < layer_start_bp or layer_bucket >= layer_end_bp)
                then 'outside_layer'
            when traffic_bp >= 10000 or traffic_bucket < traffic_bp then 'admitted'
            else 'outside_traffic'
        end as outcome,

        ---------- numerics
        global_holdout_bucket,
        holdout_bucket,
        layer_bucket,
        traffic_bucket

    from draw

)

select * from decide
