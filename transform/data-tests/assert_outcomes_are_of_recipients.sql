-- Outcomes are counted of recipients only, but for those of a role that comes in place of a receipt, such as a bounce. Shares are whole people.
with

moments as (

    select * from {{ ref('int_moments') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

)

select
    moments.experiment_key,
    moments.slot_key,
    moments.arm_key,
    moments.metric,
    moments.analysis,
    moments.attribution
from moments
inner join outcome_metrics on moments.metric = outcome_metrics.metric
left join event_roles on outcome_metrics.role = event_roles.role
where
    moments.received > moments.units
    or (
        outcome_metrics.kind <> 'ratio'
        and (outcome_metrics.time_window <> 'message' or coalesce(event_roles.implies_receipt, false))
        and (
            moments.converted > moments.received
            or (outcome_metrics.kind = 'share' and moments.total > moments.received)
        )
    )
