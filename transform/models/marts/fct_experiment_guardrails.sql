{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key=['experiment_key', 'experiment_version'],
        partition_by=lf_replace_partition(['experiment_key', 'experiment_version']),
        full_refresh=false,
        on_schema_change='fail',
    )
}}

{%- set guardrails = {
    'unsubscribed': var('unsubscribe_margin'), 'complained': var('complaint_margin'), 'bounced': var('bounce_margin'),
} %}

with

results as (

    select * from {{ ref('fct_experiment_results') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

-- What the file names is what is guarded; a file that says nothing has the project's margins.
margins as (

    {% for metric, margin in guardrails.items() -%}
    select
        experiment_key,
        experiment_version,
        '{{ metric }}' as metric,
        case
            when guardrails is null then {{ lf_double(margin) }}
            else {{ lf_json_number('guardrails', metric) }} / 100
        end as margin
    from experiments
    {% if not loop.last -%}
    union all

    {% endif -%}
    {% endfor %}

),

compare as (

    select
        results.*,
        margins.margin

    from results
    inner join margins
        on
            results.experiment_key = margins.experiment_key
            and results.experiment_version = margins.experiment_version
            and results.metric = margins.metric
    where
        results.analysis = 'assigned'
        and not results.is_control
        and margins.margin is not null

),

-- Non-inferiority: shown to be within the margin, shown to be beyond it, or neither yet.
guardrails as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        metric,

        ---------- numerics
        margin,
        difference,
        interval_low,
        interval_high,

        ---------- texts
        case
            when interval_low > margin then 'blocked'
            when interval_high <= margin then 'safe'
            else 'not_yet_safe'
        end as state

    from compare

)

select * from guardrails
