{#-
    A query: the rows of a relation, each beside the row of its control, which has the same `key` and `is_control`. Of each of `columns` the
    control's is named `control_<column>`; it is null in the control's own row, and where the control has none.
-#}
{% macro lf_against_control(relation, key, columns) -%}
    select
        {{ relation }}.*,
        {%- for column in columns %}
        controls.{{ column }} as control_{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}

    from {{ relation }}
    left join {{ relation }} as controls
        on
            {%- for column in key %}
            {{ 'and ' if not loop.first }}{{ relation }}.{{ column }} = controls.{{ column }}
            {%- endfor %}
            and controls.is_control
            and {{ relation }}.is_control <> controls.is_control
{%- endmacro %}


{#-
    A query: a curve of the primary metric by day, each arm against its control on the same day.

    `accumulated` is a relation of arms with `day`, and with `units`, `total` and `total_of_squares` (doubles) of everything up to it; `experiments`
    and `outcome_metrics` are those relations. Returned are the ids of an arm, `is_control`, `day`, `metric`, `units`, `total`, `mean`, and of the
    difference to the control `difference`, `interval_low` and `interval_high`, always valid: null in the control's row.
-#}
{% macro lf_curve(accumulated, experiments, outcome_metrics) -%}
    with

    estimate as (

        select
            {{ accumulated }}.*,
            {{ experiments }}.primary_metric as metric,
            {{ outcome_metrics }}.kind,
            {{ accumulated }}.total / nullif({{ accumulated }}.units, 0) as mean,
            {{ lf_unit_variance(
                outcome_metrics ~ '.kind', accumulated ~ '.units', accumulated ~ '.total', accumulated ~ '.total_of_squares'
            ) }} / nullif({{ accumulated }}.units, 0) as square

        from {{ accumulated }}
        inner join {{ experiments }}
            on
                {{ accumulated }}.experiment_key = {{ experiments }}.experiment_key
                and {{ accumulated }}.experiment_version = {{ experiments }}.experiment_version
        inner join {{ outcome_metrics }} on {{ experiments }}.primary_metric = {{ outcome_metrics }}.metric

    ),

    pair as (

        {{ lf_against_control(
            'estimate', ['experiment_key', 'experiment_version', 'slot_key', 'day'],
            ['units', 'total', 'total_of_squares', 'mean', 'square']
        ) | indent(8) }}

    ),

    pool as {{ lf_fence() }} (

        select
            *,
            units + control_units as compared_units,
            mean - control_mean as difference,
            square + control_square as own_square,
            {{ lf_pooled_variance(
                'kind', '(units + control_units)', '(total + control_total)', '(total_of_squares + control_total_of_squares)'
            ) }} as both_variance

        from pair

    ),

    -- The end of a curve is the interval of the result, unless that is adjusted for what was before.
    compare as {{ lf_fence() }} (

        select
            *,
            {{ lf_standard_error(lf_decisive_square('own_square', lf_pooled_square('both_variance', 'units', 'control_units'))) }} as spread

        from pool

    ),

    infer as (

        select
            *,
            {{ lf_always_valid_half_width('spread', 'compared_units') }} as half_width

        from compare

    )

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        is_control,
        day,
        metric,
        units,
        total,
        mean,
        difference,
        difference - half_width as interval_low,
        difference + half_width as interval_high

    from infer
{%- endmacro %}
