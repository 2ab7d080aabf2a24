with

requests as (

    select * from {{ ref('stg_inbox__privacy_requests') }}

),

actions as (

    select * from {{ ref('int_privacy_request_actions') }}

),

deletions as (

    select * from {{ ref('int_deletions') }}

),

privacy_clocks as (

    select * from {{ ref('privacy_clocks') }}

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
        coalesce(requests.verified_at, actions.identity_verified_at) as identity_verified_at,
        actions.confirmed_at,
        actions.extended_at,
        actions.refused_at,
        actions.exported_at,
        actions.forgotten_at,
        actions.erased_at,
        actions.restricted_at,
        actions.lifted_at,
        actions.closed_at,
        case when left_to_do.request_id is null then actions.accepted_at end as accepted_at,
        actions.unseen_at,
        actions.verified_gone_at,
        left_to_do.waits_for,
        coalesce(clocks.law, fallback.law) as law,
        coalesce(clocks.months, fallback.months) as months,
        coalesce(clocks.days, fallback.days) as days,
        coalesce(clocks.extension_months, fallback.extension_months) as extension_months,
        coalesce(clocks.extension_days, fallback.extension_days) as extension_days,
        coalesce(clocks.confirmation_weeks, fallback.confirmation_weeks) as confirmation_weeks

    from requests
    left join actions on requests.request_id = actions.request_id
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
