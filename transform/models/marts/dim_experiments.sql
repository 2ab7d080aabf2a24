with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

definitions as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        group_key,

        ---------- texts
        status,
        description,
        channel,
        audience_type,
        audience,
        primary_metric,
        decision,
        layer_name,

        ---------- numerics
        traffic_bp,
        holdout_bp,
        attribution_window_days,
        minimum_detectable_effect,

        ---------- booleans
        is_shipped,
        is_cleaned_up,

        ---------- dates
        planned_stop_on,

        ---------- timestamps
        defined_at

    from experiments

)

select * from definitions
