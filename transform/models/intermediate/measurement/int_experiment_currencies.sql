with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

accounts as (

    select * from {{ ref('stg_klaviyo__accounts') }}

),

own as (

    select max(currency) as currency
    from accounts

),

paid as (

    select
        receipts.experiment_key,
        coalesce(events.currency, own.currency) as currency

    from receipts
    inner join experiments on receipts.experiment_key = experiments.experiment_key
    inner join events
        on
            receipts.profile_id = events.profile_id
            and receipts.received_at <= events.occurred_at
            and events.occurred_at
            <= {{ lf_dateadd('day', 'experiments.attribution_window_days', 'receipts.received_at') }}
    cross join own
    where
        events.role in ('ordered', 'refunded')
        and events.value <> 0

),

span as (

    select
        experiment_key,
        min(currency) as first_currency,
        max(currency) as last_currency

    from paid
    group by experiment_key

),

-- Before the first order, that of the account.
currencies as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,

        ---------- texts
        case
            when span.first_currency <> span.last_currency then 'several'
            else coalesce(span.first_currency, own.currency)
        end as currency

    from experiments
    left join span on experiments.experiment_key = span.experiment_key
    cross join own

)

select * from currencies
