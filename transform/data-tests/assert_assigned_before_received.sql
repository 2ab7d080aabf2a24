{{ config(severity='warn') }}

{#- Whoever received before the assignment was not shown the arm, and what came of the message is counted as the arm's. -#}
with first_assigned as (
    select
        experiment_key,
        experiment_version,
        profile_id,
        min(assigned_at) as assigned_at
    from {{ ref('fct_assignments') }}
    group by experiment_key, experiment_version, profile_id
),

compared as (
    select
        receipts.experiment_key,
        count(*) as recipients,
        sum(case when receipts.received_at < first_assigned.assigned_at then 1 else 0 end) as late
    from {{ ref('int_messages_received') }} as receipts
    inner join first_assigned
        on
            receipts.experiment_key = first_assigned.experiment_key
            and receipts.experiment_version = first_assigned.experiment_version
            and receipts.profile_id = first_assigned.profile_id
    group by receipts.experiment_key
)

select
    'Experiment ' || experiment_key || ': ' || {{ lf_text('late') }} || ' of ' || {{ lf_text('recipients') }}
    || ' recipients had received a message of it before they were assigned, so they were not shown their arm. '
    || 'Assign before you send; raise the version for the next send.' as problem
from compared
where late > 0
