with

moments as (

    select * from {{ ref('int_moments') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

guardrails as (

    select * from {{ ref('fct_experiment_guardrails') }}

),

guarded as (

    select distinct
        experiment_key,
        experiment_version,
        slot_key,
        metric

    from guardrails

),

-- How often what decides or guards happens, in all arms together.
rates as (

    select
        moments.experiment_key,
        moments.experiment_version,
        moments.slot_key,
        moments.metric,
        count(*) as arms,
        {{ lf_double('sum(moments.converted)') }} as converted

    from moments
    inner join experiments
        on
            moments.experiment_key = experiments.experiment_key
            and moments.experiment_version = experiments.experiment_version
    left join guarded
        on
            moments.experiment_key = guarded.experiment_key
            and moments.experiment_version = guarded.experiment_version
            and moments.slot_key = guarded.slot_key
            and moments.metric = guarded.metric
    where
        moments.analysis = 'assigned'
        and moments.attribution = 'assigned_window'
        and (moments.metric = experiments.primary_metric or guarded.metric is not null)
    group by moments.experiment_key, moments.experiment_version, moments.slot_key, moments.metric

),

-- The share of as many people that gives so many conversions. What not even an equal share would give is not to be learned by any split.
need as (

    select
        *,
        10000e0 / arms as equal_share_bp,
        10000e0 * {{ lf_variable('allocation_control_conversions') }} / nullif(converted, 0) as needed_bp

    from rates

),

floors as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,

        ---------- numerics
        cast(least(
            {{ lf_larger(
                'max(case when needed_bp <= equal_share_bp then needed_bp end)', lf_double(lf_variable('allocation_control_floor_bp'))
            ) }},
            min(equal_share_bp)
        ) as {{ lf_type('integer') }}) as control_floor_bp

    from need
    group by experiment_key, experiment_version, slot_key

)

select * from floors
