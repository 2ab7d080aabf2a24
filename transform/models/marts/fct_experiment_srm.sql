{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key=['experiment_key', 'experiment_version'],
        partition_by=lf_replace_partition(['experiment_key', 'experiment_version']),
        full_refresh=false,
        on_schema_change='append_new_columns',
    )
}}

{%- set evidences = [] %}
{%- for concentration in var('srm_concentrations') %}
{%- do evidences.append('evidence_' ~ loop.index) %}
{%- endfor %}

with

moments as (

    select * from {{ ref('int_moments') }}

),

written as (

    select * from {{ ref('int_units_written') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

checked as (

    select
        moments.*,
        outcome_metrics.aggregation

    from moments
    inner join outcome_metrics on moments.metric = outcome_metrics.metric
    where
        outcome_metrics.checks_sizes
        and moments.analysis = 'assigned'

),

-- Once for each arm.
assigned as (

    select * from checked
    where aggregation = 'receipt'

),

arms as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        weight_bp,
        'assigned' as stage,
        units as observed
    from assigned

    union all

    select
        assigned.experiment_key,
        assigned.experiment_version,
        assigned.slot_key,
        assigned.arm_key,
        assigned.weight_bp,
        'written' as stage,
        written.units as observed
    from assigned
    inner join written
        on
            assigned.experiment_key = written.experiment_key
            and assigned.experiment_version = written.experiment_version
            and assigned.slot_key = written.slot_key
            and assigned.arm_key = written.arm_key

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        weight_bp,
        metric as stage,
        case aggregation when 'receipt' then received else converted end as observed
    from checked

),

-- An arm of weight 0 expects nobody and takes no degree of freedom.
expect as (

    select
        *,
        {{ lf_double('weight_bp') }} / sum(weight_bp) over (partition by experiment_key, experiment_version, slot_key, stage) as share,
        {{ lf_double('sum(observed) over (partition by experiment_key, experiment_version, slot_key, stage)') }} as total

    from arms
    where weight_bp > 0

),

weigh as {{ lf_fence() }} (

    select
        *,
        share * total as expected,
        {%- for concentration in var('srm_concentrations') %}
        {{ lf_multinomial_term('observed', 'share', concentration) }} as multinomial_term_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}

    from expect

),

add_arms as {{ lf_fence() }} (

    select
        experiment_key,
        experiment_version,
        slot_key,
        stage,
        count(*) - 1 as degrees,
        min(expected) as least_expected,
        max(total) as total,
        {%- for concentration in var('srm_concentrations') %}
        sum(multinomial_term_{{ loop.index }}) as multinomial_terms_{{ loop.index }},
        {%- endfor %}
        sum((observed - expected) * (observed - expected) / nullif(expected, 0)) as statistic

    from weigh
    group by experiment_key, experiment_version, slot_key, stage

),

weigh_evidence as {{ lf_fence() }} (

    select
        *,
        {%- for concentration in var('srm_concentrations') %}
        {{ lf_multinomial_evidence('total', 'multinomial_terms_' ~ loop.index, concentration) }} as evidence_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}

    from add_arms

),

test as (

    select
        *,
        case
            when statistic is not null and least_expected >= {{ var('srm_min_expected') }}
                then {{ lf_chi2_sf('statistic', 'degrees') }}
        end as p_value_chi_square,
        case
            when statistic is not null and degrees > 0 and least_expected >= {{ var('srm_min_expected') }}
                then {{ lf_multinomial_p(evidences) }}
        end as p_value

    from weigh_evidence

),

srm as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        stage,

        ---------- numerics
        statistic as chi_square,
        cast(degrees as {{ lf_type('integer') }}) as degrees_of_freedom,
        p_value,

        ---------- booleans
        coalesce(p_value < {{ var('srm_alpha') }}, false) as is_alarm,

        ---------- numerics
        p_value_chi_square

    from test

)

select * from srm
