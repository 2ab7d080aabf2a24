with

ledger as (

    select * from {{ ref('fct_forwarding') }}

),

-- A decision that took the place of another one takes it back.
counted as (

    select
        definition_key,
        type,
        event,
        metric,
        decision,
        1 as events,
        occurred_at
    from ledger
    where decision <> 'superseded'

    union all

    select
        definition_key,
        type,
        event,
        metric,
        former_decision as decision,
        -1 as events,
        occurred_at
    from ledger
    where former_decision <> 'superseded'

),

summed_up as (

    select
        ---------- ids
        definition_key,

        ---------- texts
        type,
        coalesce(event, '') as event,
        coalesce(metric, '') as metric,
        decision,

        ---------- numerics
        cast(sum(events) as bigint) as events,

        ---------- timestamps
        min(occurred_at) as first_occurred_at,
        max(occurred_at) as last_occurred_at

    from counted
    group by
        definition_key,
        type,
        coalesce(event, ''),
        coalesce(metric, ''),
        decision
    having sum(events) > 0

)

select * from summed_up
