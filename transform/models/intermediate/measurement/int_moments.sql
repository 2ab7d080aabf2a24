{%- set analyses = ['assigned', 'received', 'opened'] -%}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

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

attributions as (

    {% for attribution in lf_attributions() -%}
    select '{{ attribution }}' as attribution
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor %}

),

metrics as (

    select
        outcome_metrics.metric,
        outcome_metrics.aggregation,
        outcome_metrics.covariate,
        attributions.attribution

    from outcome_metrics
    inner join attributions
        on
            attributions.attribution = 'assigned_window'
            or outcome_metrics.time_window <> 'message'

),

analyses as (

    {% for analysis in analyses -%}
    select '{{ analysis }}' as analysis
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor %}

),

-- An experiment that was never live has nobody assigned and nothing to measure.
arms_by_metric as (

    select
        arms.*,
        metrics.metric,
        metrics.aggregation,
        metrics.covariate,
        metrics.attribution,
        analyses.analysis

    from arms
    cross join metrics
    cross join analyses
    where arms.status <> 'draft'

),

-- Everybody is read once, by cell; the arms of a cell are few.
sum_units as (

    select
        experiment_key,
        experiment_version,
        cell,
        has_received,
        has_opened,
        count(*) as units,
        sum(case when has_received then 1 else 0 end) as received,
        {%- for covariate in lf_covariates() %}
        sum({{ covariate }}) as {{ covariate }}_total,
        sum({{ covariate }} * {{ covariate }}) as {{ covariate }}_of_squares{{ ',' if not loop.last }}
        {%- endfor %}

    from units
    group by experiment_key, experiment_version, cell, has_received, has_opened

),

count_units as (

    select
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,
        analyses.analysis,
        cast(sum(sum_units.units) as {{ lf_type('bigint') }}) as units,
        cast(sum(sum_units.received) as {{ lf_type('bigint') }}) as received,
        {%- for covariate in lf_covariates() %}
        {%- set last = loop.last %}
        {%- for sum in ['total', 'of_squares'] %}
        sum(sum_units.{{ covariate }}_{{ sum }}) as {{ covariate }}_{{ sum }}{{ ',' if not (last and loop.last) }}
        {%- endfor %}
        {%- endfor %}

    from cells
    inner join sum_units
        on
            cells.experiment_key = sum_units.experiment_key
            and cells.experiment_version = sum_units.experiment_version
            and cells.cell = sum_units.cell
    inner join analyses
        on
            analyses.analysis = 'assigned'
            or (analyses.analysis = 'received' and sum_units.has_received)
            or (analyses.analysis = 'opened' and sum_units.has_opened)
    group by cells.experiment_key, cells.experiment_version, cells.slot_key, cells.arm_key, analyses.analysis

),

sum_by_cell as (

    select
        experiment_key,
        experiment_version,
        cell,
        metric,
        attribution,
        has_received,
        has_opened,
        count(*) as converted,
        sum(value) as total,
        sum(value * value) as total_of_squares,
        sum(denominator) as denominator_total,
        sum(denominator * denominator) as denominator_of_squares,
        sum(value * denominator) as denominator_product,
        sum(value * covariate) as covariate_product

    from outcomes
    group by experiment_key, experiment_version, cell, metric, attribution, has_received, has_opened

),

-- Units without an outcome are zeros: they count in `units` and add nothing to the sums.
sum_outcomes as (

    select
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,
        sum_by_cell.metric,
        sum_by_cell.attribution,
        analyses.analysis,
        cast(sum(sum_by_cell.converted) as {{ lf_type('bigint') }}) as converted,
        {%- for sum in ['total', 'total_of_squares', 'denominator_total', 'denominator_of_squares', 'denominator_product', 'covariate_product'] %}
        sum(sum_by_cell.{{ sum }}) as {{ sum }}{{ ',' if not loop.last }}
        {%- endfor %}

    from cells
    inner join sum_by_cell
        on
            cells.experiment_key = sum_by_cell.experiment_key
            and cells.experiment_version = sum_by_cell.experiment_version
            and cells.cell = sum_by_cell.cell
    inner join analyses
        on
            analyses.analysis = 'assigned'
            or (analyses.analysis = 'received' and sum_by_cell.has_received)
            or (analyses.analysis = 'opened' and sum_by_cell.has_opened)
    group by
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,
        sum_by_cell.metric,
        sum_by_cell.attribution,
        analyses.analysis

),

joined as (

    select
        ---------- ids
        arms_by_metric.experiment_key,
        arms_by_metric.experiment_version,
        arms_by_metric.slot_key,
        arms_by_metric.arm_key,
        arms_by_metric.metric,
        arms_by_metric.analysis,
        arms_by_metric.attribution,

        ---------- numerics
        arms_by_metric.weight_bp,
        coalesce(count_units.units, 0) as units,
        coalesce(count_units.received, 0) as received,
        case
            when arms_by_metric.aggregation = 'receipt' then coalesce(count_units.received, 0)
            else coalesce(sum_outcomes.converted, 0)
        end as converted,
        {%- for sum in ['total', 'total_of_squares'] %}
        case
            when arms_by_metric.aggregation = 'receipt' then {{ lf_double('coalesce(count_units.received, 0)') }}
            else coalesce(sum_outcomes.{{ sum }}, 0e0)
        end as {{ sum }},
        {%- endfor %}
        {%- for sum in ['denominator_total', 'denominator_of_squares', 'denominator_product'] %}
        coalesce(sum_outcomes.{{ sum }}, 0e0) as {{ sum }},
        {%- endfor %}
        {%- for sum in ['total', 'of_squares'] %}
        case arms_by_metric.covariate
            {%- for covariate in lf_covariates() %}
            when '{{ covariate }}' then count_units.{{ covariate }}_{{ sum }}
            {%- endfor %}
        end as covariate_{{ sum }},
        {%- endfor %}
        case
            when arms_by_metric.covariate in ('{{ lf_covariates() | join("', '") }}') then coalesce(sum_outcomes.covariate_product, 0e0)
        end as covariate_product,

        ---------- booleans
        arms_by_metric.is_control

    from arms_by_metric
    left join count_units
        on
            arms_by_metric.experiment_key = count_units.experiment_key
            and arms_by_metric.experiment_version = count_units.experiment_version
            and arms_by_metric.slot_key = count_units.slot_key
            and arms_by_metric.arm_key = count_units.arm_key
            and arms_by_metric.analysis = count_units.analysis
    left join sum_outcomes
        on
            arms_by_metric.experiment_key = sum_outcomes.experiment_key
            and arms_by_metric.experiment_version = sum_outcomes.experiment_version
            and arms_by_metric.slot_key = sum_outcomes.slot_key
            and arms_by_metric.arm_key = sum_outcomes.arm_key
            and arms_by_metric.metric = sum_outcomes.metric
            and arms_by_metric.attribution = sum_outcomes.attribution
            and arms_by_metric.analysis = sum_outcomes.analysis

)

select * from joined
