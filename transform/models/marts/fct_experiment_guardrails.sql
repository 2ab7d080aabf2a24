{{ config(**lf_outlives_definition()) }}


with

results as (

    select * from {{ ref('fct_experiment_results') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

metric_roles as (

    select * from {{ ref('int_metric_roles') }}

),

loaded_roles as (

    select distinct role
    from metric_roles

),

-- What the file names is what is guarded; a file that says nothing has the margins of the catalogue.
margins as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        outcome_metrics.metric,
        loaded_roles.role is not null as is_loaded,
        case
            when experiments.guardrails is null then {{ lf_number('outcome_metrics.margin') }}
            else {{ lf_number(lf_json_text_at('experiments.guardrails', 'outcome_metrics.metric')) }}
        end / 100 as margin

    from experiments
    cross join outcome_metrics
    left join loaded_roles on outcome_metrics.role = loaded_roles.role

),

compare as (

    select
        results.*,
        margins.margin,
        margins.is_loaded

    from results
    inner join margins
        on
            results.experiment_key = margins.experiment_key
            and results.experiment_version = margins.experiment_version
            and results.metric = margins.metric
    where
        results.analysis = 'assigned'
        and results.attribution = 'assigned_window'
        and not results.is_control
        and margins.margin is not null

),

-- Non-inferiority: shown to be within the margin, shown to be beyond it, or neither yet. No event of a kind that was never loaded proves nothing.
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
            when not is_loaded then 'not_loaded'
            when interval_low > margin then 'blocked'
            when interval_high <= margin then 'safe'
            else 'not_yet_safe'
        end as state

    from compare

)

select * from guardrails
