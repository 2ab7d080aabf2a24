{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true}) }}
{%- set changes = lf_changes(['int_covariates', 'int_messages_received'], [
    'select experiment_key, experiment_version, slot_key, arm_key from ' ~ ref('int_experiment_arms'),
]) %}

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

covariates as (

    select * from {{ ref('int_covariates') }}

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
        (
            corrected.profile_id is null
            or covariates.ends_at = corrected.ends_at
        )
        {{ lf_is_changed(changes, 'covariates.profile_id') }}

),

-- Of an earlier version or a deleted experiment nothing is measured any more.
assigned as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.profile_id,
        assignments.slot_key
        || '=' || assignments.arm_key
        || '=' || {{ lf_text('cast(assignments.assigned_at as date)') }}
        || case when receipts.received_at < assignments.assigned_at then '=late' else '' end as slot_cell,
        case when receipts.profile_id is null then 0 else 1 end as has_received,
        case when receipts.has_opened then 1 else 0 end as has_opened,
        receipts.received_at,
        receipts.token_clicked_at

    from assignments
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
    where
        1 = 1
        {{ lf_is_changed(changes, 'assignments.profile_id') }}
        {{ lf_is_not_over(changes, 'assignments.experiment_key') }}

),

cells as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        {{ lf_sorted_list('slot_cell') }} as cell,
        max(has_received) = 1 as has_received,
        max(has_opened) = 1 as has_opened,
        min(received_at) as received_at,
        min(token_clicked_at) as token_clicked_at

    from assigned
    group by experiment_key, experiment_version, profile_id

),

units as (

    select
        ---------- ids
        cells.experiment_key,
        cells.experiment_version,
        cells.profile_id,

        ---------- texts
        cells.cell,

        ---------- numerics
        last_covariates.{{ lf_covariates() | join(',\n        last_covariates.') }},

        ---------- booleans
        cells.has_received,
        cells.has_opened,

        ---------- timestamps
        cells.received_at,
        cells.token_clicked_at

    from cells
    left join last_covariates
        on
            cells.experiment_key = last_covariates.experiment_key
            and cells.experiment_version = last_covariates.experiment_version
            and cells.profile_id = last_covariates.profile_id

)

select * from units
