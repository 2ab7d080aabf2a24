{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}

{%- set stage_key = ['experiment_key', 'experiment_version', 'slot_key', 'stage'] %}

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

checked as (

    select
        moments.*,
        outcome_metrics.aggregation

    from moments
    inner join outcome_metrics on moments.metric = outcome_metrics.metric
    where
        outcome_metrics.checks_sizes
        and moments.analysis = 'assigned'

),

-- Once for each arm.
assigned as (

    select * from checked
    where aggregation = 'receipt'

),

arms as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        weight_bp,
        'assigned' as stage,
        units as observed
    from assigned

    union all

    select
        assigned.experiment_key,
        assigned.experiment_version,
        assigned.slot_key,
        assigned.arm_key,
        assigned.weight_bp,
        'written' as stage,
        written.units as observed
    from assigned
    inner join written
        on
            assigned.experiment_key = written.experiment_key
            and assigned.experiment_version = written.experiment_version
            and assigned.slot_key = written.slot_key
            and assigned.arm_key = written.arm_key

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        weight_bp,
        metric as stage,
        case aggregation when 'receipt' then received else converted end as observed
    from checked

),

test as (

    {{ lf_multinomial_test('arms', stage_key) }}

),

srm as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        stage,

        ---------- numerics
        statistic as chi_square,
        cast(degrees as {{ lf_type('integer') }}) as degrees_of_freedom,
        p_value,

        ---------- booleans
        coalesce(p_value < {{ lf_variable('srm_alpha') }}, false) as is_alarm,

        ---------- numerics
        p_value_chi_square

    from test

)

select * from srm
