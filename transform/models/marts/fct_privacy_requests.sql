{%- set times = {
    'confirmed': 'confirmed_at', 'identity_verified': 'identity_verified_at', 'extended': 'extended_at', 'refused': 'refused_at', 'exported': 'exported_at',
    'forgotten': 'forgotten_at', 'erased': 'erased_at', 'restricted': 'restricted_at', 'lifted': 'lifted_at', 'closed': 'closed_at',
} -%}

with

requests as (

    select * from {{ ref('stg_inbox__privacy_requests') }}

),

actions as (

    select * from {{ ref('stg_inbox__privacy_actions') }}

),

deletion_requests as (

    select * from {{ ref('int_deletion_requests') }}

),

deletions as (

    select * from {{ ref('int_deletions') }}

),

privacy_clocks as (

    select * from {{ ref('privacy_clocks') }}

),

-- The first of each counts.
acted as (

    select
        request_id,
        {% for action, moment in times.items() -%}
        min(case when action = '{{ action }}' then acted_at end) as {{ moment }},
        {% endfor -%}
        max(case when action in ('still_there', 'overdue') then acted_at end) as seen_at
    from actions
    group by request_id

),

-- Whoever came back is deleted anew, and looked for anew.
taken as (

    select
        actions.request_id,
        min(case when actions.action = 'accepted' then actions.acted_at end) as accepted_at

    from actions
    left join deletion_requests on actions.request_id = deletion_requests.request_id
    where
        deletion_requests.came_back_at is null
        or actions.acted_at > deletion_requests.came_back_at
    group by actions.request_id

),

unseen as (

    select
        actions.request_id,
        min(actions.acted_at) as unseen_at

    from actions
    left join acted on actions.request_id = acted.request_id
    where
        actions.action in ('unseen', 'verified')
        and (acted.seen_at is null or actions.acted_at > acted.seen_at)
    group by actions.request_id

),

-- Looked for again a day after they were not seen first. Who wrote down `verified` has done so.
gone as (

    select
        actions.request_id,
        min(actions.acted_at) as verified_gone_at

    from actions
    inner join unseen on actions.request_id = unseen.request_id
    where
        (actions.action = 'verified' and actions.acted_at >= unseen.unseen_at)
        or (actions.action = 'unseen' and actions.acted_at >= {{ lf_dateadd('day', 1, 'unseen.unseen_at') }})
    group by actions.request_id

),

-- Of several reasons that which somebody has to see to: they come first in the alphabet.
left_to_do as (

    select
        request_id,
        min(waits_for) as waits_for
    from deletions
    where waits_for is not null
    group by request_id

),

clocked as (

    select
        requests.request_id,
        requests.kind,
        requests.profile_id,
        requests.jurisdiction,
        requests.scope,
        requests.received_at,
        coalesce(requests.verified_at, acted.identity_verified_at) as identity_verified_at,
        {% for action, moment in times.items() if action != 'identity_verified' -%}
        acted.{{ moment }},
        {% endfor -%}
        case when left_to_do.request_id is null then taken.accepted_at end as accepted_at,
        unseen.unseen_at,
        gone.verified_gone_at,
        left_to_do.waits_for,
        coalesce(clocks.law, fallback.law) as law,
        coalesce(clocks.months, fallback.months) as months,
        coalesce(clocks.days, fallback.days) as days,
        coalesce(clocks.extension_months, fallback.extension_months) as extension_months,
        coalesce(clocks.extension_days, fallback.extension_days) as extension_days,
        coalesce(clocks.confirmation_weeks, fallback.confirmation_weeks) as confirmation_weeks

    from requests
    left join acted on requests.request_id = acted.request_id
    left join taken on requests.request_id = taken.request_id
    left join unseen on requests.request_id = unseen.request_id
    left join gone on requests.request_id = gone.request_id
    left join left_to_do on requests.request_id = left_to_do.request_id
    left join privacy_clocks as clocks on lower(trim(requests.jurisdiction)) = clocks.law
    inner join privacy_clocks as fallback on fallback.law = 'gdpr'

),

-- An extension that was told after the first end comes too late to move it.
due as (

    select
        *,
        {{ lf_dateadd('day', 'days', lf_add_months('months', 'received_at')) }} as first_due_at,
        {{ lf_dateadd('day', 'days + extension_days', lf_add_months('months + extension_months', 'received_at')) }} as extended_due_at,
        {{ lf_days_between("cast('1970-01-05' as date)", 'received_at') }} % 7 as weekday
    from clocked

),

-- Of a deletion the end is that the person is looked for and not found, a day after they were not seen first.
answered as (

    select
        *,
        case when extended_at <= first_due_at then extended_due_at else first_due_at end as due_at,
        case
            when confirmation_weeks > 0
                then {{ lf_dateadd('day', '7 * confirmation_weeks - case when weekday > 4 then weekday - 4 else 0 end', 'received_at') }}
        end as confirmation_due_at,
        case
            when refused_at is not null then refused_at
            when closed_at is not null then closed_at
            when kind = 'access' then exported_at
            when kind = 'restriction' then restricted_at
            when kind = 'deletion' then verified_gone_at
        end as answered_at
    from due

),

stated as (

    select
        ---------- ids
        request_id,
        profile_id,

        ---------- texts
        kind,
        law,
        case
            when refused_at is not null then 'refused'
            when kind = 'restriction' and lifted_at is not null then 'lifted'
            when kind = 'restriction' and restricted_at is not null then 'restricted'
            when answered_at is not null and kind = 'deletion' and closed_at is null then 'verified'
            when answered_at is not null and kind = 'access' and closed_at is null then 'exported'
            when answered_at is not null then 'closed'
            when accepted_at is not null and {{ lf_dateadd('day', 14, 'accepted_at') }} < {{ lf_now() }} then 'overdue'
            when accepted_at is not null and unseen_at is not null then 'unseen'
            when erased_at is not null then 'erased'
            when accepted_at is not null then 'accepted'
            when forgotten_at is not null then 'forgotten'
            when identity_verified_at is not null then 'identity_verified'
            when confirmed_at is not null then 'confirmed'
            else 'received'
        end as state,
        case when answered_at is null then waits_for end as waits_for,

        ---------- booleans
        answered_at is null and due_at < {{ lf_now() }} as is_overdue,
        answered_at is null and due_at < {{ lf_dateadd('day', lf_variable('privacy_warning_days') | int, lf_now()) }} as is_soon_due,
        coalesce(confirmed_at, answered_at) is null and coalesce(confirmation_due_at < {{ lf_now() }}, false) as is_confirmation_overdue,

        ---------- documents
        scope,

        ---------- timestamps
        received_at,
        confirmation_due_at,
        confirmed_at,
        identity_verified_at,
        due_at,
        extended_at,
        forgotten_at,
        accepted_at,
        erased_at,
        unseen_at,
        answered_at

    from answered

)

select * from stated
