{%- set firsts = [
    'confirmed', 'identity_verified', 'extended', 'refused', 'exported', 'forgotten', 'erased', 'restricted', 'lifted', 'closed',
] -%}

with

actions as (

    select * from {{ ref('stg_inbox__privacy_actions') }}

),

-- The first of each counts.
acted as (

    select
        request_id,
        {% for action in firsts -%}
        min(case when action = '{{ action }}' then acted_at end) as {{ action }}_at,
        {% endfor -%}
        max(case when action = 'accepted' then acted_at end) as last_accepted_at,
        min(case when action in ('unseen', 'verified') then acted_at end) as first_unseen_at,
        max(case when action in ('still_there', 'overdue') then acted_at end) as seen_at
    from actions
    group by request_id

),

-- Who was not seen, and is there again.
returned as (

    select
        *,
        case when seen_at > first_unseen_at then seen_at end as came_back_at
    from acted

),

-- Whoever came back is deleted anew, and looked for anew.
taken as (

    select
        actions.request_id,
        min(case when actions.action = 'accepted' and (returned.came_back_at is null or actions.acted_at > returned.came_back_at) then actions.acted_at end) as accepted_at,
        min(case when actions.action in ('unseen', 'verified') and (returned.seen_at is null or actions.acted_at > returned.seen_at) then actions.acted_at end) as unseen_at

    from actions
    inner join returned on actions.request_id = returned.request_id
    group by actions.request_id

),

-- Looked for again a day after they were not seen first. Who wrote down `verified` has done so.
gone as (

    select
        actions.request_id,
        min(actions.acted_at) as verified_gone_at

    from actions
    inner join taken on actions.request_id = taken.request_id
    where
        (actions.action = 'verified' and actions.acted_at >= taken.unseen_at)
        or (actions.action = 'unseen' and actions.acted_at >= {{ lf_dateadd('day', 1, 'taken.unseen_at') }})
    group by actions.request_id

),

summarised as (

    select
        ---------- ids
        returned.request_id,

        ---------- timestamps
        {% for action in firsts -%}
        returned.{{ action }}_at,
        {% endfor -%}
        returned.last_accepted_at,
        returned.came_back_at,
        taken.accepted_at,
        taken.unseen_at,
        gone.verified_gone_at

    from returned
    inner join taken on returned.request_id = taken.request_id
    left join gone on returned.request_id = gone.request_id

)

select * from summarised
