with

receipts as (

    select * from {{ ref('int_messages_received') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

-- Every order inside the window counts, whatever led to it; the window's last moment belongs to it.
purchases as (

    select
        receipts.experiment_key,
        receipts.experiment_version,
        receipts.profile_id,
        sum(coalesce(events.value, 0)) as revenue

    from receipts
    inner join experiments on receipts.experiment_key = experiments.experiment_key
    inner join events
        on
            receipts.profile_id = events.profile_id
            and receipts.received_at <= events.occurred_at
            and events.occurred_at
            <= {{ lf_dateadd('day', 'experiments.attribution_window_days', 'receipts.received_at') }}
    where events.role = 'ordered'
    group by
        receipts.experiment_key,
        receipts.experiment_version,
        receipts.profile_id

),

outcomes as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        'opened' as metric,
        {{ lf_double('1') }} as value
    from receipts
    where has_opened

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        'clicked' as metric,
        {{ lf_double('1') }} as value
    from receipts
    where has_clicked

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        'unsubscribed' as metric,
        {{ lf_double('1') }} as value
    from receipts
    where has_unsubscribed

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        'ordered' as metric,
        {{ lf_double('1') }} as value
    from purchases

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        'revenue' as metric,
        revenue as value
    from purchases
    where revenue <> 0

)

select * from outcomes
