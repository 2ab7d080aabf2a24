with

events as (

    select * from {{ ref('int_events_classified') }}

),

messages as (

    select * from {{ ref('int_experiment_messages') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

-- Whoever opened, clicked or complained has received, also where the receipt itself was not loaded.
receipts as (

    select
        ---------- ids
        messages.experiment_key,
        messages.experiment_version,
        events.profile_id,

        ---------- booleans
        max(case when events.role = 'opened' and events.is_human then 1 else 0 end) = 1 as has_opened,
        max(case when events.role = 'clicked' and events.is_human then 1 else 0 end) = 1 as has_clicked,
        max(case when events.role = 'unsubscribed' then 1 else 0 end) = 1 as has_unsubscribed,

        ---------- timestamps
        coalesce(
            min(case when events.role = 'received' then events.occurred_at end),
            min(events.occurred_at)
        ) as received_at,
        min(case when events.role = 'opened' and events.is_human then events.occurred_at end) as opened_at,
        min(case when events.role = 'opened' then events.occurred_at end) as opened_all_at,
        min(case when events.role = 'clicked' and events.is_human then events.occurred_at end) as clicked_at,
        min(case when events.role = 'clicked' then events.occurred_at end) as clicked_all_at,
        min(case
            when events.role = 'clicked' and events.is_human and events.cid_experiment_key = messages.experiment_key
                then events.occurred_at
        end) as token_clicked_at,
        min(case when events.role = 'unsubscribed' then events.occurred_at end) as unsubscribed_at,
        min(case when events.role = 'marked_spam' then events.occurred_at end) as complained_at

    from events
    inner join messages on events.message_id = messages.message_id
    -- Only the current version's definition is known, and with it its arms, window and primary metric.
    inner join experiments
        on
            messages.experiment_key = experiments.experiment_key
            and messages.experiment_version = experiments.experiment_version
    where
        events.role in ('received', 'opened', 'clicked', 'unsubscribed', 'marked_spam')
        and events.profile_id is not null
    group by
        messages.experiment_key,
        messages.experiment_version,
        events.profile_id

)

select * from receipts
