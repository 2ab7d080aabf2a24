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

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

counted_roles as (

    {{ lf_counted_roles('outcome_metrics') }}

),

money_windows as (

    select
        experiments.experiment_key,
        counted_roles.role,
        max({{ lf_window_days('experiments', 'counted_roles') }}) as window_days

    from experiments
    cross join counted_roles
    where counted_roles.unit = 'currency'
    group by experiments.experiment_key, counted_roles.role

),

money_events as (

    select events.*
    from events
    where
        events.role in (select money_windows.role from money_windows)
        and events.value <> 0
        {{ lf_since_receipts(ref('int_messages_received'), 'events.occurred_at') }}

),

own as (

    select max(currency) as currency
    from accounts

),

paid as (

    select
        receipts.experiment_key,
        coalesce(money_events.currency, own.currency) as currency

    from receipts
    inner join money_events
        on
            receipts.profile_id = money_events.profile_id
            and receipts.received_at <= money_events.occurred_at
    inner join money_windows
        on
            receipts.experiment_key = money_windows.experiment_key
            and money_events.role = money_windows.role
            and money_events.occurred_at <= {{ lf_dateadd('day', 'money_windows.window_days', 'receipts.received_at') }}
    cross join own

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
