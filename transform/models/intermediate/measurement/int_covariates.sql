{#- What was before the assignment does not change any more: each profile is looked up once. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
    )
}}

with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- One row: beside each event, what of it counts.
covariate_roles as (

    {{ lf_covariate_roles('outcome_metrics') }}

),

assigned as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.profile_id,
        min(assignments.assigned_at) as assigned_at

    from assignments
    inner join experiments
        on
            assignments.experiment_key = experiments.experiment_key
            and assignments.experiment_version = experiments.experiment_version
    {% if is_incremental() -%}
    left join {{ this }} as known
        on
            assignments.experiment_key = known.experiment_key
            and assignments.experiment_version = known.experiment_version
            and assignments.profile_id = known.profile_id
    where known.profile_id is null
    {%- endif %}
    group by assignments.experiment_key, assignments.experiment_version, assignments.profile_id

),

earliest as (

    select {{ lf_dateadd('day', -1 * var('covariate_days'), 'min(assigned_at)') }} as begins_at
    from assigned

),

before as (

    select
        assigned.experiment_key,
        assigned.experiment_version,
        assigned.profile_id,
        {%- for covariate in lf_covariates() %}
        {{ lf_covariate_sum(covariate, 'covariate_roles', 'events.role', 'events.value') }} as {{ covariate }}{{ ',' if not loop.last }}
        {%- endfor %}

    from assigned
    inner join events
        on
            assigned.profile_id = events.profile_id
            and assigned.assigned_at > events.occurred_at
            and {{ lf_dateadd('day', -1 * var('covariate_days'), 'assigned.assigned_at') }} <= events.occurred_at
    cross join covariate_roles
    where
        events.is_human
        and events.occurred_at >= (select earliest.begins_at from earliest)
        and events.role in ({% for covariate in lf_covariates() %}covariate_roles.{{ covariate }}_role{{ ', ' if not loop.last }}{% endfor %})
    group by assigned.experiment_key, assigned.experiment_version, assigned.profile_id

),

covariates as (

    select
        ---------- ids
        assigned.experiment_key,
        assigned.experiment_version,
        assigned.profile_id,

        ---------- numerics
        {%- for covariate in lf_covariates() %}
        {{ lf_double('coalesce(before.' ~ covariate ~ ', 0)') }} as {{ covariate }}{{ ',' if not loop.last }}
        {%- endfor %}

    from assigned
    left join before
        on
            assigned.experiment_key = before.experiment_key
            and assigned.experiment_version = before.experiment_version
            and assigned.profile_id = before.profile_id

)

select * from covariates
