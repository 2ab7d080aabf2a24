{%- set analyses = ['assigned', 'received', 'opened'] -%}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

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

covariates as (

    select * from {{ ref('int_covariates') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- Few, so that the rows of everybody need not be compared with each other.
corrected as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        min(ends_at) as ends_at

    from covariates
    where is_correction
    group by experiment_key, experiment_version, profile_id

),

last_covariates as (

    select covariates.*
    from covariates
    left join corrected
        on
            covariates.experiment_key = corrected.experiment_key
            and covariates.experiment_version = corrected.experiment_version
            and covariates.profile_id = corrected.profile_id
    where
        corrected.profile_id is null
        or covariates.ends_at = corrected.ends_at

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

-- Units with what was known of them before; the sums of the rest are made from these rows.
units as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        assignments.profile_id,
        receipts.profile_id is not null as has_received,
        coalesce(receipts.has_opened, false) as has_opened,
        last_covariates.{{ lf_covariates() | join(',\n        last_covariates.') }}

    from assignments
    -- Of an earlier version or a deleted experiment nothing is measured any more.
    inner join arms
        on
            assignments.experiment_key = arms.experiment_key
            and assignments.experiment_version = arms.experiment_version
            and assignments.slot_key = arms.slot_key
            and assignments.arm_key = arms.arm_key
    left join receipts
        on
            assignments.experiment_key = receipts.experiment_key
            and assignments.experiment_version = receipts.experiment_version
            and assignments.profile_id = receipts.profile_id
    left join last_covariates
        on
            assignments.experiment_key = last_covariates.experiment_key
            and assignments.experiment_version = last_covariates.experiment_version
            and assignments.profile_id = last_covariates.profile_id

),

count_units as (

    {% for analysis in analyses -%}
    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        '{{ analysis }}' as analysis,
        count(*) as units,
        cast(sum(case when has_received then 1 else 0 end) as {{ lf_type('bigint') }}) as received,
        {%- for covariate in lf_covariates() %}
        sum({{ covariate }}) as {{ covariate }}_total,
        sum({{ covariate }} * {{ covariate }}) as {{ covariate }}_of_squares{{ ',' if not loop.last }}
        {%- endfor %}
    from units
    {% if analysis != 'assigned' -%}
    where has_{{ analysis }}
    {% endif -%}
    group by experiment_key, experiment_version, slot_key, arm_key
    {% if not loop.last %}
    union all

    {% endif -%}
    {% endfor %}

),

-- Summed once for all analyses: of which a unit is part, only these two say.
sum_by_receipt as (

    select
        units.experiment_key,
        units.experiment_version,
        units.slot_key,
        units.arm_key,
        outcomes.metric,
        outcomes.attribution,
        outcomes.has_received,
        outcomes.has_opened,
        count(*) as converted,
        sum(outcomes.value) as total,
        sum(outcomes.value * outcomes.value) as total_of_squares,
        sum(outcomes.denominator) as denominator_total,
        sum(outcomes.denominator * outcomes.denominator) as denominator_of_squares,
        sum(outcomes.value * outcomes.denominator) as denominator_product,
        sum(outcomes.value * case outcome_metrics.covariate
            {%- for covariate in lf_covariates() %}
            when '{{ covariate }}' then units.{{ covariate }}
            {%- endfor %}
        end) as covariate_product

    from units
    inner join outcomes
        on
            units.experiment_key = outcomes.experiment_key
            and units.experiment_version = outcomes.experiment_version
            and units.profile_id = outcomes.profile_id
    inner join outcome_metrics on outcomes.metric = outcome_metrics.metric
    group by
        units.experiment_key,
        units.experiment_version,
        units.slot_key,
        units.arm_key,
        outcomes.metric,
        outcomes.attribution,
        outcomes.has_received,
        outcomes.has_opened

),

-- Units without an outcome are zeros: they count in `units` and add nothing to the sums.
sum_outcomes as (

    select
        sum_by_receipt.experiment_key,
        sum_by_receipt.experiment_version,
        sum_by_receipt.slot_key,
        sum_by_receipt.arm_key,
        sum_by_receipt.metric,
        sum_by_receipt.attribution,
        analyses.analysis,
        cast(sum(sum_by_receipt.converted) as {{ lf_type('bigint') }}) as converted,
        {%- for sum in ['total', 'total_of_squares', 'denominator_total', 'denominator_of_squares', 'denominator_product', 'covariate_product'] %}
        sum(sum_by_receipt.{{ sum }}) as {{ sum }}{{ ',' if not loop.last }}
        {%- endfor %}

    from sum_by_receipt
    inner join analyses
        on
            analyses.analysis = 'assigned'
            or (analyses.analysis = 'received' and sum_by_receipt.has_received)
            or (analyses.analysis = 'opened' and sum_by_receipt.has_opened)
    group by
        sum_by_receipt.experiment_key,
        sum_by_receipt.experiment_version,
        sum_by_receipt.slot_key,
        sum_by_receipt.arm_key,
        sum_by_receipt.metric,
        sum_by_receipt.attribution,
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
