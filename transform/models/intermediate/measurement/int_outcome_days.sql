{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true}) }}
{%- set changes = lf_changes(['int_messages_received'], [
    'select experiment_key, experiment_version, message_id from ' ~ ref('int_experiment_messages'),
    'select experiment_key, experiment_version, status, attribution_window_days, metric_windows from ' ~ ref('stg_experiments__experiments'),
    'select * from ' ~ ref('event_roles'),
    'select * from ' ~ ref('outcome_metrics'),
]) %}

with

receipts as (

    select * from {{ ref('int_messages_received') }}

),

messages as (

    select * from {{ ref('int_experiment_messages') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

-- By a name of its own: DuckDB keeps a copy of what is read twice, here of all events.
orders as (

    select * from {{ ref('int_events_classified') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

counted_roles as (

    {{ lf_counted_roles('outcome_metrics') }}

),

-- What counts for some time after the receipt. How long, a definition may say for itself.
timed_roles as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        counted_roles.metric,
        counted_roles.aggregation,
        counted_roles.role,
        counted_roles.sign,
        counted_roles.counts_machines,
        {{ lf_window_days('experiments', 'counted_roles') }} as window_days

    from experiments
    cross join counted_roles
    where counted_roles.time_window <> 'message'

),

-- One role may be counted by several outcome metrics; its events are looked up once, for the longest time.
longest_windows as (

    select
        experiment_key,
        experiment_version,
        role,
        max(window_days) as window_days

    from timed_roles
    group by experiment_key, experiment_version, role

),

-- Of a run that renews what changed, the events of changed profiles. What was before the first message is nobody's outcome, nor is it the last touch of one.
changed_events as (

    select events.*
    from events
    where
        events.profile_id is not null
        {{ lf_is_changed(changes, 'events.profile_id') }}
        {{ lf_since_messages(ref('int_experiment_messages'), 'events.occurred_at', changes) }}

),

changed_receipts as (

    select receipts.*
    from receipts
    where
        1 = 1
        {{ lf_is_changed(changes, 'receipts.profile_id') }}
        {{ lf_is_not_over(changes, 'receipts.experiment_key') }}

),

timed_events as (

    select changed_events.*
    from changed_events
    where changed_events.role in (select longest_windows.role from longest_windows)

),

-- Every event inside the window counts, whatever led to it; the window's last moment belongs to it.
actions as (

    select
        changed_receipts.experiment_key,
        changed_receipts.experiment_version,
        changed_receipts.profile_id,
        changed_receipts.received_at,
        changed_receipts.token_clicked_at,
        timed_events.event_id,
        timed_events.order_id,
        timed_events.role,
        timed_events.is_human,
        timed_events.value,
        timed_events.occurred_at,
        timed_events.occurred_on

    from changed_receipts
    inner join timed_events
        on
            changed_receipts.profile_id = timed_events.profile_id
            and changed_receipts.received_at <= timed_events.occurred_at
    inner join longest_windows
        on
            changed_receipts.experiment_key = longest_windows.experiment_key
            and changed_receipts.experiment_version = longest_windows.experiment_version
            and timed_events.role = longest_windows.role
            and timed_events.occurred_at <= {{ lf_dateadd('day', 'longest_windows.window_days', 'changed_receipts.received_at') }}

),

who_acted as (

    select distinct profile_id
    from actions

),

touches as (

    select
        changed_events.profile_id,
        changed_events.message_id,
        changed_events.occurred_at

    from changed_events
    inner join who_acted on changed_events.profile_id = who_acted.profile_id
    inner join event_roles on changed_events.role = event_roles.role
    where
        event_roles.is_touch
        and changed_events.is_human
        and changed_events.message_id is not null

),

rank_touches as (

    select
        actions.experiment_key,
        actions.event_id,
        touches.message_id,
        row_number() over (
            partition by actions.experiment_key, actions.event_id
            order by touches.occurred_at desc, touches.message_id
        ) as recency

    from actions
    inner join touches
        on
            actions.profile_id = touches.profile_id
            and touches.occurred_at <= actions.occurred_at

),

last_touched as (

    select
        rank_touches.experiment_key,
        rank_touches.event_id

    from rank_touches
    inner join messages
        on
            rank_touches.experiment_key = messages.experiment_key
            and rank_touches.message_id = messages.message_id
    where rank_touches.recency = 1

),

attribute_actions as (

    select
        actions.*,
        'assigned_window' as attribution
    from actions

    union all

    select
        actions.*,
        'click_token' as attribution
    from actions
    where token_clicked_at <= occurred_at

    union all

    select
        actions.*,
        'last_touch' as attribution
    from actions
    inner join last_touched
        on
            actions.experiment_key = last_touched.experiment_key
            and actions.event_id = last_touched.event_id

),

attributed_events as (

    select
        attribute_actions.experiment_key,
        attribute_actions.experiment_version,
        attribute_actions.profile_id,
        timed_roles.metric,
        timed_roles.aggregation,
        timed_roles.sign,
        attribute_actions.attribution,
        attribute_actions.occurred_on,
        attribute_actions.occurred_at,
        attribute_actions.order_id,
        attribute_actions.value

    from attribute_actions
    inner join timed_roles
        on
            attribute_actions.experiment_key = timed_roles.experiment_key
            and attribute_actions.experiment_version = timed_roles.experiment_version
            and attribute_actions.role = timed_roles.role
    where
        timed_roles.sign = 1
        and attribute_actions.occurred_at <= {{ lf_dateadd('day', 'timed_roles.window_days', 'attribute_actions.received_at') }}
        and (attribute_actions.is_human or timed_roles.counts_machines)

),

-- What is taken off, such as refunds, with the role whose events it takes back.
reversals as (

    select
        actions.experiment_key,
        actions.experiment_version,
        actions.profile_id,
        timed_roles.metric,
        timed_roles.aggregation,
        outcome_metrics.role as reversed_role,
        actions.event_id,
        actions.order_id,
        actions.value,
        actions.occurred_on,
        actions.occurred_at

    from actions
    inner join timed_roles
        on
            actions.experiment_key = timed_roles.experiment_key
            and actions.experiment_version = timed_roles.experiment_version
            and actions.role = timed_roles.role
    inner join outcome_metrics on timed_roles.metric = outcome_metrics.metric
    where
        timed_roles.sign = -1
        and actions.occurred_at <= {{ lf_dateadd('day', 'timed_roles.window_days', 'actions.received_at') }}
        and (actions.is_human or timed_roles.counts_machines)

),

-- Of those, whose order is known, inside the window or not.
matched_reversals as (

    select distinct
        reversals.event_id,
        reversals.metric

    from reversals
    inner join orders
        on
            reversals.profile_id = orders.profile_id
            and reversals.reversed_role = orders.role
            and reversals.order_id = orders.order_id

),

-- It is credited as its order is, and not at all where the order does not count. Whose order is not known may be of any that was large enough.
attributed_reversals as (

    select distinct
        reversals.experiment_key,
        reversals.experiment_version,
        reversals.profile_id,
        reversals.metric,
        reversals.aggregation,
        attributed_events.attribution,
        reversals.event_id,
        reversals.occurred_on,
        reversals.value

    from reversals
    left join matched_reversals
        on
            reversals.event_id = matched_reversals.event_id
            and reversals.metric = matched_reversals.metric
    inner join attributed_events
        on
            reversals.experiment_key = attributed_events.experiment_key
            and reversals.experiment_version = attributed_events.experiment_version
            and reversals.profile_id = attributed_events.profile_id
            and reversals.metric = attributed_events.metric
    where
        case
            when matched_reversals.event_id is not null then reversals.order_id = attributed_events.order_id
            else
                attributed_events.occurred_at <= reversals.occurred_at
                and attributed_events.value >= abs(reversals.value)
        end

),

-- A role whose values are taken off has the sign -1, whichever sign they are sent with.
counted_events as (

    select
        messages.experiment_key,
        messages.experiment_version,
        changed_events.profile_id,
        counted_roles.metric,
        counted_roles.aggregation,
        counted_roles.sign,
        'assigned_window' as attribution,
        changed_events.occurred_on,
        changed_events.value

    from changed_events
    inner join messages on changed_events.message_id = messages.message_id
    inner join experiments
        on
            messages.experiment_key = experiments.experiment_key
            and messages.experiment_version = experiments.experiment_version
    inner join counted_roles on changed_events.role = counted_roles.role
    where
        counted_roles.time_window = 'message'
        and (changed_events.is_human or counted_roles.counts_machines)
        {{ lf_is_not_over(changes, 'messages.experiment_key') }}

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        aggregation,
        sign,
        attribution,
        occurred_on,
        value
    from attributed_events

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        aggregation,
        -1 as sign,
        attribution,
        occurred_on,
        value
    from attributed_reversals

),

-- What can happen to a profile only once happens on its first day; numbers and sums are kept by day.
sum_events as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        aggregation,
        attribution,
        min(occurred_on) as occurred_on,
        sum(case when sign = 1 then 1 else 0 end) as events,
        sum(case when sign = 1 then coalesce(value, 0) else -abs(coalesce(value, 0)) end) as amount

    from counted_events
    group by
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        aggregation,
        attribution,
        case when aggregation <> 'any' then occurred_on end

),

outcome_days as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        attribution,
        occurred_on,
        {{ lf_double("case aggregation when 'any' then 1 when 'count' then events else amount end") }} as value,
        {{ lf_double("case aggregation when 'any' then 0 else events end") }} as denominator

    from sum_events
    where
        events <> 0
        or amount <> 0

)

select * from outcome_days
