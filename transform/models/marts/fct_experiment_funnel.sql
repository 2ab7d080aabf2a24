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

assigned as (

    select * from moments
    where
        analysis = 'assigned'
        and attribution = 'assigned_window'

),

stages as (

    {% for stage, metric, number in [
        ('assigned', 'received', 'units'), ('received', 'received', 'converted'), ('opened', 'opened', 'converted'),
        ('clicked', 'clicked', 'converted'), ('ordered', 'ordered', 'converted'),
    ] -%}
    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        '{{ stage }}' as stage,
        {{ loop.index0 if loop.first else loop.index }} as stage_index,
        {{ number }} as units,
        units as all_units
    from assigned
    where metric = '{{ metric }}'

    union all

    {% endfor -%}

    select
        assigned.experiment_key,
        assigned.experiment_version,
        assigned.slot_key,
        assigned.arm_key,
        'written' as stage,
        1 as stage_index,
        written.units,
        assigned.units as all_units
    from assigned
    inner join written
        on
            assigned.experiment_key = written.experiment_key
            and assigned.experiment_version = written.experiment_version
            and assigned.slot_key = written.slot_key
            and assigned.arm_key = written.arm_key
    where assigned.metric = 'received'

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
