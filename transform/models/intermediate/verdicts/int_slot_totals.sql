with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

moments as (

    select * from {{ ref('int_moments') }}

),

-- Of all assigned, credited by time: what decides.
slots as (

    select
        ---------- ids
        moments.experiment_key,
        moments.experiment_version,
        moments.slot_key,
        max(case when moments.is_control then moments.arm_key end) as control_arm,

        ---------- numerics
        cast(sum(moments.units) as {{ lf_type('bigint') }}) as units,
        cast(sum(moments.received) as {{ lf_type('bigint') }}) as received,
        cast(sum(moments.converted) as {{ lf_type('bigint') }}) as converted,
        cast(min(case when moments.weight_bp > 0 then moments.received end) as {{ lf_type('bigint') }}) as least_received,
        -- Of the smallest arm, if all converted alike: an arm in which nobody does has enough of them, too.
        min(case when moments.weight_bp > 0 then {{ lf_double('moments.units') }} end)
        * sum(moments.converted) / nullif(sum(moments.units), 0) as least_expected_conversions

    from moments
    inner join experiments
        on
            moments.experiment_key = experiments.experiment_key
            and moments.experiment_version = experiments.experiment_version
    where
        moments.metric = experiments.primary_metric
        and moments.analysis = 'assigned'
        and moments.attribution = 'assigned_window'
    group by
        moments.experiment_key,
        moments.experiment_version,
        moments.slot_key

)

select * from slots
