-- Integrity: every event of a metric with a role is classified, and no other.
with

expected as (

    select events.event_id
    from {{ ref('stg_klaviyo__events') }} as events
    inner join {{ ref('int_metric_roles') }} as roles on events.metric_id = roles.metric_id

),

classified as (

    select event_id from {{ ref('int_events_classified') }}

)

select
    expected.event_id as expected_event_id,
    classified.event_id as classified_event_id
from expected
full outer join classified on expected.event_id = classified.event_id
where
    expected.event_id is null
    or classified.event_id is null
