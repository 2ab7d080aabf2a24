{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key=['experiment_key', 'experiment_version'],
        partition_by=lf_replace_partition(['experiment_key', 'experiment_version']),
        full_refresh=false,
        on_schema_change='fail',
    )
}}

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

-- An arm of weight 0 expects nobody and takes no degree of freedom.
expect as (

    select
        *,
        {{ lf_double('weight_bp') }}
        * sum(observed) over (partition by experiment_key, experiment_version, slot_key, stage)
        / sum(weight_bp) over (partition by experiment_key, experiment_version, slot_key, stage) as expected

    from arms
    where weight_bp > 0

),

chi_square as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        stage,
        count(*) - 1 as degrees,
        min(expected) as least_expected,
        sum((observed - expected) * (observed - expected) / nullif(expected, 0)) as statistic

    from expect
    group by experiment_key, experiment_version, slot_key, stage

),

test as (

    select
        *,
        case
            when statistic is not null and least_expected >= {{ var('srm_min_expected') }}
                then {{ lf_chi2_sf('statistic', 'degrees') }}
        end as p_value

    from chi_square

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
        coalesce(p_value < {{ var('srm_alpha') }}, false) as is_alarm

    from test

)

select * from srm
