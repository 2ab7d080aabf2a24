{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}

{%- set group = 'experiment_key, experiment_version, slot_key, dimension' %}
{%- set family = 'experiment_key, experiment_version' %}
{%- set tie = 'slot_key, dimension, level_kind, level, arm_key' %}

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

levels as (

    select {{ lf_two_sided_z() }} as two_sided_z

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

shown_levels as (

    select distinct
        {{ group }},
        level_kind,
        level
    from fold_levels

),

-- Every level has every arm, so that it is told where there is nobody.
estimate as (

    select
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,
        arms.is_control,
        shown_levels.dimension,
        shown_levels.level_kind,
        shown_levels.level,
        measured.position,
        measured.decision,
        measured.metric,
        measured.kind,
        {%- for sum in ['units', 'converted', 'total', 'total_of_squares'] %}
        {{ lf_double('coalesce(fold_levels.' ~ sum ~ ', 0)') }} as {{ sum }},
        {%- endfor %}
        fold_levels.total / nullif(fold_levels.units, 0) as mean,
        {{ lf_unit_variance('measured.kind', lf_double('fold_levels.units'), 'fold_levels.total', 'fold_levels.total_of_squares') }}
            / nullif(fold_levels.units, 0) as square

    from shown_levels
    inner join measured
        on
            shown_levels.experiment_key = measured.experiment_key
            and shown_levels.experiment_version = measured.experiment_version
            and shown_levels.dimension = measured.dimension
    inner join arms
        on
            shown_levels.experiment_key = arms.experiment_key
            and shown_levels.experiment_version = arms.experiment_version
            and shown_levels.slot_key = arms.slot_key
    left join fold_levels
        on
            shown_levels.experiment_key = fold_levels.experiment_key
            and shown_levels.experiment_version = fold_levels.experiment_version
            and shown_levels.slot_key = fold_levels.slot_key
            and shown_levels.dimension = fold_levels.dimension
            and shown_levels.level_kind = fold_levels.level_kind
            and shown_levels.level = fold_levels.level
            and arms.arm_key = fold_levels.arm_key

),

pair as (

    {{ lf_against_control(
        'estimate', ['experiment_key', 'experiment_version', 'slot_key', 'dimension', 'level_kind', 'level'],
        ['units', 'converted', 'total', 'total_of_squares', 'mean', 'square']
    ) }}

),

pool as {{ lf_fence() }} (

    select
        *,
        mean - control_mean as difference,
        square + control_square as own_square,
        units + control_units as both_units,
        converted + control_converted as both_converted,
        {{ lf_pooled_variance(
            'kind', '(units + control_units)', '(total + control_total)', '(total_of_squares + control_total_of_squares)'
        ) }} as both_variance

    from pair

),

-- What both arms together could not bring to the smaller one often enough says nothing of a difference, whatever it looks like.
expect as {{ lf_fence() }} (

    select
        *,
        case kind
            when 'share' then least(both_converted, both_units - both_converted)
            else both_converted
        end * least(units, control_units) / nullif(both_units, 0) as expected_conversions

    from pool

),

compare as {{ lf_fence() }} (

    select
        *,
        case
            when
                least(units, control_units) >= {{ lf_variable('dimension_min_units') }}
                and expected_conversions >= {{ lf_variable('min_expected_conversions_per_arm') }}
                then {{ lf_standard_error(lf_decisive_square('own_square', lf_pooled_square('both_variance', 'units', 'control_units'))) }}
        end as spread

    from expect

),

-- By the way that the definition decides: at every look, or once.
infer as (

    select
        compare.*,
        case compare.decision
            when 'fixed' then levels.two_sided_z * compare.spread
            else {{ lf_always_valid_half_width('compare.spread', 'compare.both_units') }}
        end as half_width,
        case
            when compare.spread is null then null
            when compare.decision = 'fixed' then least(1e0, 2e0 * ({{ lf_phi('(-abs(compare.difference) / compare.spread)') }}))
            else {{ lf_always_valid_p('compare.difference', 'compare.spread', 'compare.both_units') }}
        end as p_value

    from compare
    cross join levels

),

-- All levels and arms of a version are one family: whoever looks for the level in which something is found looks at all of them.
step_p_values as (

    select
        *,
        {{ lf_bh_step('p_value', family, tie) }} as bh_step

    from infer

),

adjust_p_values as (

    select
        *,
        {{ lf_bh('p_value', 'bh_step', family, tie) }} as p_value_bh

    from step_p_values

),

shown as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        dimension,
        level_kind,
        level,

        ---------- texts
        metric,

        ---------- booleans
        is_control,
        coalesce(p_value_bh < {{ lf_variable('alpha') }}, false) as is_told_apart,

        ---------- numerics
        position,
        cast(units as {{ lf_type('bigint') }}) as units,
        cast(converted as {{ lf_type('bigint') }}) as converted,
        total,
        mean,
        control_mean,
        difference,
        spread as standard_error,
        difference - half_width as interval_low,
        difference + half_width as interval_high,
        difference / nullif(abs(control_mean), 0) as relative_lift,
        p_value,
        p_value_bh,

        ---------- timestamps
        {{ lf_now() }} as measured_at

    from adjust_p_values

)

select * from shown
