{%- set group = 'experiment_key, experiment_version, slot_key, dimension' %}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

dimensions as (

    select * from {{ ref('int_experiment_dimensions') }}

),

unit_dimensions as (

    select * from {{ ref('int_unit_dimensions') }}

),

cells as (

    select * from {{ ref('int_cells') }}

),

units as (

    select * from {{ ref('int_units') }}

),

outcomes as (

    select * from {{ ref('int_outcomes') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- Experiments that are shown by something; of the others nothing more is read.
measured as (

    select
        dimensions.experiment_key,
        dimensions.experiment_version,
        dimensions.dimension,
        dimensions.position,
        experiments.decision,
        outcome_metrics.metric,
        outcome_metrics.kind,
        outcome_metrics.aggregation

    from dimensions
    inner join experiments
        on
            dimensions.experiment_key = experiments.experiment_key
            and dimensions.experiment_version = experiments.experiment_version
    inner join outcome_metrics on experiments.primary_metric = outcome_metrics.metric
    where dimensions.status <> 'draft'

),

measured_units as (

    select units.*
    from units
    where units.experiment_key in (select measured.experiment_key from measured)

),

measured_outcomes as (

    select outcomes.*
    from outcomes
    where
        outcomes.attribution = 'assigned_window'
        and outcomes.experiment_key in (select measured.experiment_key from measured)

),

-- A level is a text; the empty one is that of profiles that had none.
values_by_level as (

    select
        units.experiment_key,
        units.experiment_version,
        units.cell,
        measured.dimension,
        coalesce(unit_dimensions.level, '') as level,
        case
            when measured.aggregation = 'receipt' then {{ lf_double('case when units.has_received then 1 else 0 end') }}
            else coalesce(outcomes.value, 0e0)
        end as value

    from measured
    inner join measured_units as units
        on
            measured.experiment_key = units.experiment_key
            and measured.experiment_version = units.experiment_version
    left join unit_dimensions
        on
            units.experiment_key = unit_dimensions.experiment_key
            and units.experiment_version = unit_dimensions.experiment_version
            and units.profile_id = unit_dimensions.profile_id
            and measured.dimension = unit_dimensions.dimension
    left join measured_outcomes as outcomes
        on
            units.experiment_key = outcomes.experiment_key
            and units.experiment_version = outcomes.experiment_version
            and units.profile_id = outcomes.profile_id
            and measured.metric = outcomes.metric

),

count_cells as (

    select
        experiment_key,
        experiment_version,
        cell,
        dimension,
        level,
        count(*) as units,
        sum(case when value <> 0 then 1 else 0 end) as converted,
        sum(value) as total,
        sum(value * value) as total_of_squares

    from values_by_level
    group by experiment_key, experiment_version, cell, dimension, level

),

count_units as (

    select
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,
        count_cells.dimension,
        count_cells.level,
        {%- for sum in ['units', 'converted', 'total', 'total_of_squares'] %}
        sum(count_cells.{{ sum }}) as {{ sum }}{{ ',' if not loop.last }}
        {%- endfor %}

    from count_cells
    inner join cells
        on
            count_cells.experiment_key = cells.experiment_key
            and count_cells.experiment_version = cells.experiment_version
            and count_cells.cell = cells.cell
    group by
        cells.experiment_key, cells.experiment_version, cells.slot_key, cells.arm_key, count_cells.dimension, count_cells.level

),

-- An arm that nobody is assigned to keeps no level from being shown.
count_arms as (

    select
        {{ group }},
        count(distinct arm_key) as arms
    from count_units
    group by {{ group }}

),

size_levels as (

    select
        {{ group }},
        level,
        count(*) as arms,
        min(units) as least_units,
        sum(units) as units
    from count_units
    group by {{ group }}, level

),

find_rare as (

    select
        size_levels.*,
        size_levels.arms < count_arms.arms or size_levels.least_units < {{ lf_variable('dimension_min_units') }} as is_rare

    from size_levels
    inner join count_arms
        on
            size_levels.experiment_key = count_arms.experiment_key
            and size_levels.experiment_version = count_arms.experiment_version
            and size_levels.slot_key = count_arms.slot_key
            and size_levels.dimension = count_arms.dimension

),

rank_levels as (

    select
        *,
        row_number() over (
            partition by {{ group }}
            order by case when is_rare then 1 else 0 end, case when level = '' then 1 else 0 end, units desc, level
        ) as place

    from find_rare

),

name_levels as (

    select
        *,
        case
            when is_rare then 'other'
            when level = '' then 'none'
            when place > {{ lf_variable('dimension_top_levels') }} then 'other'
            else 'level'
        end as level_kind

    from rank_levels

),

fold_levels as (
select
        count_units.experiment_key,
        count_units.experiment_version,
        count_units.slot_key,
        count_units.arm_key,
        count_units.dimension,
        name_levels.level_kind,
        case name_levels.level_kind when 'level' then name_levels.level when 'none' then '(none)' else '(other)' end as level,
        {%- for sum in ['units', 'converted', 'total', 'total_of_squares'] %}
        sum(count_units.{{ sum }}) as {{ sum }}{{ ',' if not loop.last }}
        {%- endfor %}

    from count_units
    inner join name_levels
        on
            count_units.experiment_key = name_levels.experiment_key
            and count_units.experiment_version = name_levels.experiment_version
            and count_units.slot_key = name_levels.slot_key
            and count_units.dimension = name_levels.dimension
            and count_units.level = name_levels.level
    group by
        count_units.experiment_key,
        count_units.experiment_version,
        count_units.slot_key,
        count_units.arm_key,
        count_units.dimension,
        name_levels.level_kind,
        case name_levels.level_kind when 'level' then name_levels.level when 'none' then '(none)' else '(other)' end

),

add_metric as (

    select
        ---------- ids
        fold_levels.experiment_key,
        fold_levels.experiment_version,
        fold_levels.slot_key,
        fold_levels.arm_key,
        fold_levels.dimension,
        fold_levels.level_kind,
        fold_levels.level,

        ---------- texts
        measured.decision,
        measured.metric,
        measured.kind,

        ---------- numerics
        measured.position,
        {%- for sum in ['units', 'converted', 'total', 'total_of_squares'] %}
        {{ lf_double('fold_levels.' ~ sum) }} as {{ sum }}{{ ',' if not loop.last }}
        {%- endfor %}

    from fold_levels
    inner join measured
        on
            fold_levels.experiment_key = measured.experiment_key
            and fold_levels.experiment_version = measured.experiment_version
            and fold_levels.dimension = measured.dimension

)

select * from add_metric
