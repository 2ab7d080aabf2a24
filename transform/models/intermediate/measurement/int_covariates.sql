{#- What was before does not change any more: each profile is looked up once, and again only if its receipt turns out to be older than was known. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ lf_delete_rows(this, lf_is_no_sum(lf_covariates())) }}",
        post_hook="{{ lf_note_as_applied('int_messages_received') }}",
    )
}}
{%- set since = lf_since_applied('int_messages_received', faulty=lf_is_no_sum(lf_covariates())) %}

with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

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
    where
        known.profile_id is null
        {{ lf_is_changed(since, 'assignments.profile_id') }}
    {%- endif %}
    group by assignments.experiment_key, assignments.experiment_version, assignments.profile_id

),

-- From the receipt on, what a profile does may be the arm's.
periods as (

    select
        assigned.experiment_key,
        assigned.experiment_version,
        assigned.profile_id,
        least(assigned.assigned_at, coalesce(receipts.received_at, assigned.assigned_at)) as ends_at,
        false as is_correction

    from assigned
    left join receipts
        on
            assigned.experiment_key = receipts.experiment_key
            and assigned.experiment_version = receipts.experiment_version
            and assigned.profile_id = receipts.profile_id
    {%- if is_incremental() %}

    union all

    select
        receipts.experiment_key,
        receipts.experiment_version,
        receipts.profile_id,
        receipts.received_at as ends_at,
        true as is_correction

    from receipts
    inner join assignments
        on
            receipts.experiment_key = assignments.experiment_key
            and receipts.experiment_version = assignments.experiment_version
            and receipts.profile_id = assignments.profile_id
            and receipts.received_at < assignments.assigned_at
    inner join {{ this }} as known
        on
            receipts.experiment_key = known.experiment_key
            and receipts.experiment_version = known.experiment_version
            and receipts.profile_id = known.profile_id
    where
        1 = 1
        {{ lf_is_changed(since, 'receipts.profile_id') }}
    group by receipts.experiment_key, receipts.experiment_version, receipts.profile_id, receipts.received_at
    having count(case when known.ends_at <= receipts.received_at then 1 end) = 0
    {%- endif %}

),

earliest as (

    select {{ lf_dateadd('day', -1 * lf_variable('covariate_days'), 'min(ends_at)') }} as begins_at
    from periods

),

-- Before they are looked up by profile: receipts alone are as many as all that counts here.
counted_events as (

    select
        events.profile_id,
        events.role,
        events.value,
        events.occurred_at

    from events
    where
        events.is_human
        and events.role in (
            {%- for covariate in lf_covariates() %}
            select {{ covariate }}_role from covariate_roles
            {%- if not loop.last %}
            union all
            {%- endif %}
            {%- endfor %}
        )
        and events.occurred_at >= (select earliest.begins_at from earliest)
        {%- if is_incremental() %}
        and events.profile_id in (select periods.profile_id from periods)
        {%- endif %}

),

before as (

    select
        periods.experiment_key,
        periods.experiment_version,
        periods.profile_id,
        {%- for covariate in lf_covariates() %}
        {{ lf_covariate_sum(covariate, 'covariate_roles', 'counted_events.role', 'counted_events.value') }} as {{ covariate }}{{ ',' if not loop.last }}
        {%- endfor %}

    from periods
    inner join counted_events
        on
            periods.profile_id = counted_events.profile_id
            and periods.ends_at > counted_events.occurred_at
            and {{ lf_dateadd('day', -1 * lf_variable('covariate_days'), 'periods.ends_at') }} <= counted_events.occurred_at
    cross join covariate_roles
    group by periods.experiment_key, periods.experiment_version, periods.profile_id

),

covariates as (

    select
        ---------- ids
        periods.experiment_key,
        periods.experiment_version,
        periods.profile_id,

        ---------- numerics
        {%- for covariate in lf_covariates() %}
        {{ lf_double('coalesce(before.' ~ covariate ~ ', 0)') }} as {{ covariate }}{{ ',' if not loop.last }}
        {%- endfor %},

        ---------- booleans
        periods.is_correction,

        ---------- timestamps
        periods.ends_at

    from periods
    left join before
        on
            periods.experiment_key = before.experiment_key
            and periods.experiment_version = before.experiment_version
            and periods.profile_id = before.profile_id

)

select * from covariates
