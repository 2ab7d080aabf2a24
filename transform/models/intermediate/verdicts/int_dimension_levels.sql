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

assignments as (

    select * from {{ ref('fct_assignments') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

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

-- A level is a text; the empty one is that of profiles that had none.
units as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        measured.dimension,
        coalesce(unit_dimensions.level, '') as level,
        case
            when measured.aggregation = 'receipt' then {{ lf_double('case when receipts.profile_id is null then 0 else 1 end') }}
            else coalesce(outcomes.value, 0e0)
        end as value

    from measured
    inner join assignments
        on
            measured.experiment_key = assignments.experiment_key
            and measured.experiment_version = assignments.experiment_version
    left join unit_dimensions
        on
            assignments.experiment_key = unit_dimensions.experiment_key
            and assignments.experiment_version = unit_dimensions.experiment_version
            and assignments.profile_id = unit_dimensions.profile_id
            and measured.dimension = unit_dimensions.dimension
    left join receipts
        on
            assignments.experiment_key = receipts.experiment_key
            and assignments.experiment_version = receipts.experiment_version
            and assignments.profile_id = receipts.profile_id
    left join outcomes
        on
            assignments.experiment_key = outcomes.experiment_key
            and assignments.experiment_version = outcomes.experiment_version
            and assignments.profile_id = outcomes.profile_id
            and measured.metric = outcomes.metric
            and outcomes.attribution = 'assigned_window'

),

count_units as (

    select
        units.experiment_key,
        units.experiment_version,
        units.slot_key,
        units.arm_key,
        units.dimension,
        units.level,
        count(*) as units,
        sum(case when units.value <> 0 then 1 else 0 end) as converted,
        sum(units.value) as total,
        sum(units.value * units.value) as total_of_squares

    from units
    inner join arms
        on
            units.experiment_key = arms.experiment_key
            and units.experiment_version = arms.experiment_version
            and units.slot_key = arms.slot_key
            and units.arm_key = arms.arm_key
    group by
        units.experiment_key, units.experiment_version, units.slot_key, units.arm_key, units.dimension, units.level

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
