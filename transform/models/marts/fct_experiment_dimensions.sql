{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}

{%- set family = 'experiment_key, experiment_version' %}
{%- set tie = 'slot_key, dimension, level_kind, level, arm_key' %}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

fold_levels as (

    select * from {{ ref('int_dimension_levels') }}

),

levels as (

    select {{ lf_two_sided_z() }} as two_sided_z

),

shown_levels as (

    select distinct
        experiment_key,
        experiment_version,
        slot_key,
        dimension,
        position,
        decision,
        metric,
        kind,
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
        shown_levels.position,
        shown_levels.decision,
        shown_levels.metric,
        shown_levels.kind,
        {%- for sum in ['units', 'converted', 'total', 'total_of_squares'] %}
        coalesce(fold_levels.{{ sum }}, 0e0) as {{ sum }},
        {%- endfor %}
        fold_levels.total / nullif(fold_levels.units, 0) as mean,
        {{ lf_unit_variance('shown_levels.kind', 'fold_levels.units', 'fold_levels.total', 'fold_levels.total_of_squares') }}
            / nullif(fold_levels.units, 0) as square

    from shown_levels
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
