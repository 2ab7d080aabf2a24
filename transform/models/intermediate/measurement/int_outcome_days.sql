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

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

-- Every order inside the window counts, whatever led to it; the window's last moment belongs to it. A refund inside it is subtracted.
actions as (

    select
        receipts.experiment_key,
        receipts.experiment_version,
        receipts.profile_id,
        receipts.token_clicked_at,
        events.event_id,
        events.role,
        events.occurred_at,
        events.occurred_on,
        case when events.role = 'ordered' then 1 else 0 end as orders,
        case
            when events.role = 'ordered' then coalesce(events.value, 0)
            when events.role = 'refunded' then -abs(coalesce(events.value, 0))
            else 0
        end as revenue

    from receipts
    inner join experiments
        on
            receipts.experiment_key = experiments.experiment_key
            and receipts.experiment_version = experiments.experiment_version
    inner join events
        on
            receipts.profile_id = events.profile_id
            and receipts.received_at <= events.occurred_at
            and events.occurred_at
            <= {{ lf_dateadd('day', 'experiments.attribution_window_days', 'receipts.received_at') }}
    where events.role in ('ordered', 'refunded'{% for goal in var('further_goals') %}, '{{ goal }}'{% endfor %})

),

who_acted as (

    select distinct profile_id
    from actions

),

touches as (

    select
        events.profile_id,
        events.message_id,
        events.occurred_at

    from events
    inner join who_acted on events.profile_id = who_acted.profile_id
    where
        events.role in ('opened', 'clicked')
        and events.is_human
        and events.message_id is not null

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

sum_actions as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        attribution,
        occurred_on,
        sum(orders) as orders,
        sum(revenue) as revenue

    from attribute_actions
    where role in ('ordered', 'refunded')
    group by experiment_key, experiment_version, profile_id, attribution, occurred_on

),

first_bounces as (

    select
        messages.experiment_key,
        messages.experiment_version,
        events.profile_id,
        min(events.occurred_on) as occurred_on

    from events
    inner join messages on events.message_id = messages.message_id
    inner join experiments
        on
            messages.experiment_key = experiments.experiment_key
            and messages.experiment_version = experiments.experiment_version
    where
        events.role = 'bounced'
        and events.profile_id is not null
    group by messages.experiment_key, messages.experiment_version, events.profile_id

),

-- What can happen to a profile only once happens on its first day; money and numbers of orders are kept by day.
outcome_days as (

    {% for metric in ['opened', 'opened_all', 'clicked', 'clicked_all', 'unsubscribed', 'complained'] -%}
    select
        experiment_key,
        experiment_version,
        profile_id,
        '{{ metric }}' as metric,
        'assigned_window' as attribution,
        cast({{ metric }}_at as date) as occurred_on,
        {{ lf_double('1') }} as value,
        {{ lf_double('0') }} as denominator
    from receipts
    where {{ metric }}_at is not null

    union all

    {% endfor -%}

    select
        experiment_key,
        experiment_version,
        profile_id,
        'bounced' as metric,
        'assigned_window' as attribution,
        occurred_on,
        {{ lf_double('1') }} as value,
        {{ lf_double('0') }} as denominator
    from first_bounces

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        'ordered' as metric,
        attribution,
        min(occurred_on) as occurred_on,
        {{ lf_double('1') }} as value,
        {{ lf_double('0') }} as denominator
    from sum_actions
    where orders > 0
    group by experiment_key, experiment_version, profile_id, attribution

    union all

    {% for goal in var('further_goals') -%}
    select
        experiment_key,
        experiment_version,
        profile_id,
        '{{ goal }}' as metric,
        attribution,
        min(occurred_on) as occurred_on,
        {{ lf_double('1') }} as value,
        {{ lf_double('0') }} as denominator
    from attribute_actions
    where role = '{{ goal }}'
    group by experiment_key, experiment_version, profile_id, attribution

    union all

    {% endfor -%}

    select
        experiment_key,
        experiment_version,
        profile_id,
        'revenue' as metric,
        attribution,
        occurred_on,
        {{ lf_double('revenue') }} as value,
        {{ lf_double('orders') }} as denominator
    from sum_actions
    where revenue <> 0 or orders <> 0

)

select * from outcome_days
