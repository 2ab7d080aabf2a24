{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true}) }}
{%- set changes = lf_changes(['int_outcome_days', 'int_units'], [
    'select experiment_key, experiment_version, metric, cap from ' ~ ref('int_value_caps'),
    'select * from ' ~ ref('outcome_metrics'),
]) %}

with

days as (

    select * from {{ ref('int_outcome_days') }}

),

units as (

    select * from {{ ref('int_units') }}

),

caps as (

    select * from {{ ref('int_value_caps') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

sum_days as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        attribution,
        sum(value) as uncapped_value,
        sum(denominator) as events

    from days
    where
        1 = 1
        {{ lf_is_changed(changes, 'days.profile_id') }}
        {{ lf_is_not_over(changes, 'days.experiment_key') }}
    group by experiment_key, experiment_version, profile_id, metric, attribution

),

-- One huge order decides nothing. The cap was fixed before, and is the same in every arm.
cap_values as (

    select
        sum_days.*,
        least(sum_days.uncapped_value, coalesce(caps.cap, sum_days.uncapped_value)) as value

    from sum_days
    left join caps
        on
            sum_days.experiment_key = caps.experiment_key
            and sum_days.experiment_version = caps.experiment_version
            and sum_days.metric = caps.metric

),

both_parts as (

    select
        metric,
        numerator as part
    from outcome_metrics
    where kind = 'ratio'

    union all

    select
        metric,
        denominator as part
    from outcome_metrics
    where kind = 'ratio'

),

-- One outcome metric may be both parts of a ratio: its value by the number of its events.
ratio_parts as (

    select distinct * from both_parts

),

ratios as (

    select
        cap_values.experiment_key,
        cap_values.experiment_version,
        cap_values.profile_id,
        outcome_metrics.metric,
        cap_values.attribution,
        sum(case when ratio_parts.part = outcome_metrics.numerator then cap_values.value else 0e0 end) as value,
        sum(case when ratio_parts.part = outcome_metrics.numerator then cap_values.uncapped_value else 0e0 end) as uncapped_value,
        sum(case
            when ratio_parts.part <> outcome_metrics.denominator then 0e0
            when outcome_metrics.aggregation = 'count' then cap_values.events
            else cap_values.value
        end) as denominator

    from cap_values
    inner join ratio_parts on cap_values.metric = ratio_parts.part
    inner join outcome_metrics on ratio_parts.metric = outcome_metrics.metric
    where
        cap_values.attribution = 'assigned_window'
        or outcome_metrics.time_window <> 'message'
    group by
        cap_values.experiment_key,
        cap_values.experiment_version,
        cap_values.profile_id,
        outcome_metrics.metric,
        cap_values.attribution

),

all_metrics as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        attribution,
        value,
        uncapped_value,
        {{ lf_double('0') }} as denominator
    from cap_values
    where value <> 0

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        attribution,
        value,
        uncapped_value,
        denominator
    from ratios

),

outcomes as (

    select
        ---------- ids
        all_metrics.experiment_key,
        all_metrics.experiment_version,
        all_metrics.profile_id,

        ---------- texts
        all_metrics.metric,
        all_metrics.attribution,
        units.cell,

        ---------- numerics
        all_metrics.value,
        all_metrics.uncapped_value,
        all_metrics.denominator,
        case outcome_metrics.covariate
            {%- for covariate in lf_covariates() %}
            when '{{ covariate }}' then units.{{ covariate }}
            {%- endfor %}
        end as covariate,

        ---------- booleans
        units.has_received,
        units.has_opened

    from all_metrics
    inner join units
        on
            all_metrics.experiment_key = units.experiment_key
            and all_metrics.experiment_version = units.experiment_version
            and all_metrics.profile_id = units.profile_id
    inner join outcome_metrics on all_metrics.metric = outcome_metrics.metric

)

select * from outcomes
