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

received as (

    select * from moments
    where
        metric = 'received'
        and analysis = 'assigned'

),

opened as (

    select * from moments
    where
        metric = 'opened'
        and analysis = 'assigned'

),

arms as (

    {% for stage, source, number in [
        ('assigned', 'received', 'units'), ('received', 'received', 'received'), ('opened', 'opened', 'converted'),
    ] -%}
    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        weight_bp,
        '{{ stage }}' as stage,
        {{ number }} as observed
    from {{ source }}

    union all

    {% endfor -%}

    select
        received.experiment_key,
        received.experiment_version,
        received.slot_key,
        received.arm_key,
        received.weight_bp,
        'written' as stage,
        written.units as observed
    from received
    inner join written
        on
            received.experiment_key = written.experiment_key
            and received.experiment_version = written.experiment_version
            and received.slot_key = written.slot_key
            and received.arm_key = written.arm_key

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
