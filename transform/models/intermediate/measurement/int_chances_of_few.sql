{%- set keys = ['experiment_key', 'experiment_version', 'slot_key', 'arm_key', 'metric', 'attribution'] -%}

with

moments as (

    select * from {{ ref('int_moments') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

shares as (

    select moments.*
    from moments
    inner join outcome_metrics on moments.metric = outcome_metrics.metric
    where
        outcome_metrics.kind = 'share'
        and moments.analysis = 'assigned'
        and moments.units > 0

),

few as (

    select
        shares.{{ keys | join(', shares.') }},
        {{ lf_double('controls.units') }} as units_a,
        {{ lf_double('controls.converted') }} as successes_a,
        {{ lf_double('shares.units') }} as units_b,
        {{ lf_double('shares.converted') }} as successes_b

    from shares
    inner join shares as controls
        on
            shares.experiment_key = controls.experiment_key
            and shares.experiment_version = controls.experiment_version
            and shares.slot_key = controls.slot_key
            and shares.metric = controls.metric
            and shares.attribution = controls.attribution
            and controls.is_control
            and not shares.is_control
    where
        least(shares.converted, controls.converted) < {{ lf_variable('beta_below') }}
        and shares.converted + controls.converted > 0

),

compare as (

    {{ lf_beta_comparison('few', keys) }}

)

select * from compare
