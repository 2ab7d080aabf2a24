with

source as (

    select * from {{ lf_source('experiments', 'experiments') }}

),

-- The loader deletes nothing: what the last complete reading of the folder did not touch is no longer defined.
last_reading as (

    select max(defined_at) as defined_at from {{ lf_source('experiments', 'definition_snapshots') }}

),

renamed as (

    select
        ---------- ids
        experiment_key,
        group_key,
        cast(version as integer) as experiment_version,

        ---------- texts
        status,
        description,
        channel,
        audience_type,
        audience,
        primary_metric,
        property_format,
        template_name,
        definition_sha256,
        layer_name,
        unit_hash,
        assignment_method,
        preregistration_sha256,
        coalesce(decision, 'always') as decision,

        ---------- numerics
        cast(traffic_bp as integer) as traffic_bp,
        cast(attribution_window_days as integer) as attribution_window_days,
        cast(layer_start_bp as integer) as layer_start_bp,
        cast(layer_end_bp as integer) as layer_end_bp,
        cast(holdout_bp as integer) as holdout_bp,
        cast(global_holdout_bp as integer) as global_holdout_bp,
        cast(global_holdout_version as integer) as global_holdout_version,
        cast(balance_tries as integer) as balance_tries,
        cast(balance_days as integer) as balance_days,
        {{ lf_double('minimum_detectable_effect') }} as minimum_detectable_effect,

        ---------- objects
        {{ lf_json_array('campaign_message_ids') }} as campaign_message_ids,
        {{ lf_json_array('secondary_metrics') }} as secondary_metrics,
        {{ lf_json_array('audience_conditions') }} as audience_conditions,
        {{ lf_json_array('dimensions') }} as dimensions,
        guardrails,
        metric_windows,

        ---------- booleans
        coalesce(is_shipped, false) as is_shipped,
        coalesce(is_cleaned_up, false) as is_cleaned_up,

        ---------- dates
        {{ lf_date('planned_stop') }} as planned_stop_on,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
