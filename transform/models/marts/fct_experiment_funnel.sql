{{ config(**lf_outlives_definition()) }}

with

moments as (

    select * from {{ ref('int_moments') }}

),

written as (

    select * from {{ ref('int_units_written') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

assigned as (

    select
        moments.*,
        outcome_metrics.aggregation,
        {{ lf_number('outcome_metrics.funnel_stage') }} as funnel_stage

    from moments
    inner join outcome_metrics on moments.metric = outcome_metrics.metric
    where
        moments.analysis = 'assigned'
        and moments.attribution = 'assigned_window'

),

-- Once for each arm.
arms as (

    select * from assigned
    where aggregation = 'receipt'

),

stages as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        'assigned' as stage,
        0 as stage_index,
        units,
        units as all_units
    from arms

    union all

    select
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,
        'written' as stage,
        1 as stage_index,
        written.units,
        arms.units as all_units
    from arms
    inner join written
        on
            arms.experiment_key = written.experiment_key
            and arms.experiment_version = written.experiment_version
            and arms.slot_key = written.slot_key
            and arms.arm_key = written.arm_key

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        metric as stage,
        funnel_stage as stage_index,
        converted as units,
        units as all_units
    from assigned
    where funnel_stage is not null

),

funnel as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        stage,

        ---------- numerics
        cast(stage_index as {{ lf_type('integer') }}) as stage_index,
        cast(units as {{ lf_type('bigint') }}) as units,
        {{ lf_double('units') }} / nullif(all_units, 0) as share

    from stages

)

select * from funnel
