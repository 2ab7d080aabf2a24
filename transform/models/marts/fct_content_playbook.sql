with

attributes as (

    select * from {{ ref('dim_content_attributes') }}

),

results as (

    select * from {{ ref('fct_experiment_results') }}

),

verdicts as (

    select * from {{ ref('fct_experiment_verdicts') }}

),

-- An arm tells about a value when it has it and its control has not. What is invalid tells nothing.
lessons as (

    select
        attributes.attribute,
        attributes.value,
        verdicts.channel,
        results.experiment_key,
        results.experiment_version,
        results.slot_key,
        results.relative_lift,
        (results.relative_high - results.relative_low) / 2 as half_width,
        results.measured_at

    from results
    inner join verdicts
        on
            results.experiment_key = verdicts.experiment_key
            and results.experiment_version = verdicts.experiment_version
            and results.slot_key = verdicts.slot_key
    inner join results as controls
        on
            results.experiment_key = controls.experiment_key
            and results.experiment_version = controls.experiment_version
            and results.slot_key = controls.slot_key
            and controls.is_control
            and controls.is_decisive
    inner join attributes
        on
            results.experiment_key = attributes.experiment_key
            and results.experiment_version = attributes.experiment_version
            and results.slot_key = attributes.slot_key
            and results.arm_key = attributes.arm_key
    inner join attributes as control_attributes
        on
            controls.experiment_key = control_attributes.experiment_key
            and controls.experiment_version = control_attributes.experiment_version
            and controls.slot_key = control_attributes.slot_key
            and controls.arm_key = control_attributes.arm_key
            and attributes.attribute = control_attributes.attribute
            and attributes.value <> control_attributes.value
    where
        results.is_decisive
        and not results.is_control
        and results.relative_high > results.relative_low
        and verdicts.verdict not in ('invalid_srm', 'invalid_crossover', 'no_data', 'too_early')

),

-- An always-valid interval stands for its width: experiments of different sizes are weighed by what they know.
pool as (

    select
        attribute,
        value,
        channel,
        count(distinct experiment_key) as experiments,
        count(distinct experiment_key || '.' || slot_key) as slots,
        sum(relative_lift / half_width / half_width) / sum(1 / half_width / half_width) as pooled_lift,
        1 / sqrt(sum(1 / half_width / half_width)) as pooled_half_width,
        max(measured_at) as last_tested_at

    from lessons
    group by attribute, value, channel

),

-- Every value that some content has, in every channel in which something was measured.
channels as (

    select distinct channel
    from verdicts
    where channel is not null

),

known_values as (

    select distinct
        attribute,
        value
    from attributes

),

playbook as (

    select
        ---------- ids
        known_values.attribute,
        known_values.value,
        channels.channel,

        ---------- numerics
        cast(coalesce(pool.experiments, 0) as {{ lf_type('bigint') }}) as experiments,
        cast(coalesce(pool.slots, 0) as {{ lf_type('bigint') }}) as slots,
        pool.pooled_lift,
        pool.pooled_lift - pool.pooled_half_width as pooled_low,
        pool.pooled_lift + pool.pooled_half_width as pooled_high,

        ---------- texts
        case
            when pool.attribute is null then 'gap'
            when pool.experiments >= {{ lf_variable('playbook_experiments') }} and pool.pooled_lift > pool.pooled_half_width then 'rule'
            when pool.experiments >= {{ lf_variable('playbook_experiments') }} and pool.pooled_lift < -pool.pooled_half_width then 'anti_pattern'
            else 'open'
        end as verdict,

        ---------- timestamps
        pool.last_tested_at

    from known_values
    cross join channels
    left join pool
        on
            known_values.attribute = pool.attribute
            and known_values.value = pool.value
            and channels.channel = pool.channel

)

select * from playbook
