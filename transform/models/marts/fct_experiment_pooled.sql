{{ config(**lf_outlives_definition()) }}

{%- set slot = ['experiment_key', 'experiment_version', 'slot_key', 'metric', 'analysis', 'attribution'] %}
{%- set sums = [
    'units', 'converted', 'total', 'total_of_squares', 'denominator_total', 'denominator_of_squares', 'denominator_product'
] %}

with

moments as (

    select * from {{ ref('int_moments') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

currencies as (

    select * from {{ ref('int_experiment_currencies') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- Sums add, so that each arm weighs what it has of people.
sides as (

    select
        {{ slot | join(',\n        ') }},
        case when is_control then 'control' else 'treatments' end as side,
        count(*) as arms
        {%- for column in sums %},
        sum({{ column }}) as {{ column }}
        {%- endfor %}

    from moments
    group by {{ slot | join(', ') }}, is_control

),

with_everybody as (

    select * from sides

    union all

    select
        {{ slot | join(',\n        ') }},
        'everybody' as side,
        sum(arms) as arms
        {%- for column in sums %},
        sum({{ column }}) as {{ column }}
        {%- endfor %}

    from sides
    group by {{ slot | join(', ') }}

),

sum_up as (

    select
        *,
        {{ lf_double('units') }} as n

    from with_everybody

),

spread as (

    select
        sum_up.*,
        outcome_metrics.kind,
        outcome_metrics.unit,
        sum_up.total / nullif(sum_up.n, 0) as unit_mean,
        sum_up.denominator_total / nullif(sum_up.n, 0) as denominator_mean,
        case sum_up.side
            when 'everybody'
                then {{ lf_pooled_variance('outcome_metrics.kind', 'sum_up.n', 'sum_up.total', 'sum_up.total_of_squares') }}
            else {{ lf_unit_variance('outcome_metrics.kind', 'sum_up.n', 'sum_up.total', 'sum_up.total_of_squares') }}
        end as unit_variance,
        {{ lf_sample_variance('sum_up.n', 'sum_up.denominator_total', 'sum_up.denominator_of_squares') }} as denominator_variance,
        {{ lf_sample_covariance('sum_up.n', 'sum_up.denominator_total', 'sum_up.total', 'sum_up.denominator_product') }} as denominator_covariance

    from sum_up
    inner join outcome_metrics on sum_up.metric = outcome_metrics.metric

),

estimate as {{ lf_fence() }} (

    select
        *,
        case kind when 'ratio' then total / nullif(denominator_total, 0) else unit_mean end as mean,
        case kind
            when 'ratio'
                then {{ lf_ratio_variance(
                    'unit_mean', 'unit_variance', 'denominator_mean', 'denominator_variance', 'denominator_covariance'
                ) }}
            else unit_variance
        end as variance

    from spread

),

-- Of two arms the one result stands in fct_experiment_results.
pair as {{ lf_fence() }} (

    select
        treatments.*,
        controls.n as control_n,
        controls.units as control_units,
        controls.converted as control_converted,
        controls.mean as control_mean,
        treatments.mean - controls.mean as difference,
        everybody.n as compared_units,
        everybody.variance as both_variance,
        treatments.variance / nullif(treatments.n, 0) + controls.variance / nullif(controls.n, 0) as own_square

    from estimate as treatments
    inner join estimate as controls
        on
            {%- for column in slot %}
            {{ 'and ' if not loop.first }}treatments.{{ column }} = controls.{{ column }}
            {%- endfor %}
            and controls.side = 'control'
    inner join estimate as everybody
        on
            {%- for column in slot %}
            {{ 'and ' if not loop.first }}treatments.{{ column }} = everybody.{{ column }}
            {%- endfor %}
            and everybody.side = 'everybody'
    where treatments.side = 'treatments' and treatments.arms > 1

),

measure_spread as {{ lf_fence() }} (

    select
        *,
        {{ lf_standard_error(lf_decisive_square('own_square', lf_pooled_square('both_variance', 'n', 'control_n'))) }} as spread

    from pair

),

infer as (

    select
        *,
        {{ lf_always_valid_half_width('spread', 'compared_units') }} as half_width,
        {{ lf_always_valid_p('difference', 'spread', 'compared_units') }} as p_value

    from measure_spread

),

results as (

    select
        ---------- ids
        {%- for column in slot %}
        infer.{{ column }},
        {%- endfor %}

        ---------- booleans
        experiments.primary_metric = infer.metric as is_primary,

        ---------- numerics
        cast(infer.arms as {{ lf_type('bigint') }}) as arms,
        cast(infer.units as {{ lf_type('bigint') }}) as units,
        cast(infer.control_units as {{ lf_type('bigint') }}) as control_units,
        cast(infer.converted as {{ lf_type('bigint') }}) as converted,
        cast(infer.control_converted as {{ lf_type('bigint') }}) as control_converted,
        infer.mean,
        infer.control_mean,
        infer.difference,
        infer.spread as standard_error,
        infer.difference - infer.half_width as interval_low,
        infer.difference + infer.half_width as interval_high,
        infer.p_value,
        infer.difference / nullif(abs(infer.control_mean), 0) as relative_lift,

        ---------- texts
        case when infer.unit = 'currency' then currencies.currency end as currency,

        ---------- timestamps
        {{ lf_now() }} as measured_at

    from infer
    inner join experiments
        on
            infer.experiment_key = experiments.experiment_key
            and infer.experiment_version = experiments.experiment_version
    left join currencies
        on
            infer.experiment_key = currencies.experiment_key
            and infer.experiment_version = currencies.experiment_version

)

select * from results
