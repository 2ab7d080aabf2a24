with

consent_statements as (

    select * from {{ ref('stg_inbox__consent_statements') }}

),

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

consent_metrics as (

    select * from {{ ref('consent_metrics') }}

),

statements as (

    select
        consent_statements.statement_id,
        consent_statements.channel,
        consent_statements.consent,
        nullif(trim(consent_statements.list_id), '') as list_id,
        consent_statements.source,
        consent_statements.method,
        pushed_contacts.profile_id,
        case when consent_statements.channel = 'email' then pushed_contacts.email end as email,
        case when consent_statements.channel in ('sms', 'whatsapp') then pushed_contacts.phone_number end as phone_number,
        case when consent_statements.channel = 'push' then pushed_contacts.profile_id end as push_profile_id,
        pushed_contacts.stated_at

    from consent_statements
    inner join pushed_contacts on pushed_contacts.statement_ref = 'consent:' || consent_statements.statement_id

),

-- The target's identifier is the channel's own. Nobody is unsubscribed from push by an id.
addressed as (

    select
        *,
        coalesce(lower(email), phone_number, push_profile_id) as address
    from statements
    where
        coalesce(email, phone_number, push_profile_id) is not null
        and consent in ('given', 'withdrawn')
        and not (channel = 'push' and consent = 'withdrawn')

),

rank_by_time as (

    select
        *,
        row_number() over (
            partition by channel, address, list_id
            order by stated_at desc, case when consent = 'withdrawn' then 0 else 1 end, statement_id desc
        ) as recency
    from addressed

),

-- Who withdraws from a channel leaves every list of it.
newest as (

    select * from rank_by_time
    where
        recency = 1
        and not exists (
            select 1
            from addressed
            where
                addressed.channel = rank_by_time.channel
                and addressed.address = rank_by_time.address
                and addressed.consent = 'withdrawn'
                and addressed.list_id is null
                and rank_by_time.list_id is not null
                and addressed.stated_at >= rank_by_time.stated_at
        )

),

earliest as (

    select min(stated_at) as stated_at from newest

),

changes as (

    select
        events.profile_id,
        consent_metrics.channel,
        consent_metrics.change,
        events.occurred_at

    from events
    inner join metrics on events.metric_id = metrics.metric_id
    inner join consent_metrics on lower(metrics.metric_name) = lower(consent_metrics.metric_name)
    inner join earliest on events.occurred_at >= {{ lf_dateadd('second', -1, 'earliest.stated_at') }}
    where
        metrics.integration_key = 'klaviyo'
        and consent_metrics.change in ('subscribed', 'unsubscribed', 'suppressed', 'marked_spam')

),

-- Klaviyo's times are whole seconds. A consent is not given again after an opt-out, and an opt-out is not held back by a consent that is worked late.
keep_unknown as (

    select
        channel,
        case when consent = 'given' then 'SUBSCRIBED' else 'UNSUBSCRIBED' end as consent,
        email,
        phone_number,
        push_profile_id as profile_id,
        list_id,
        case when consent = 'given' then true end as historical_import,
        case when consent = 'given' then stated_at end as consented_at,
        case when consent = 'given' then coalesce(source || ' · ' || method, source, method) end as custom_source

    from newest
    where not exists (
        select 1
        from changes
        where
            changes.profile_id = newest.profile_id
            and changes.occurred_at >= {{ lf_dateadd('second', -1, 'newest.stated_at') }}
            and (newest.consent = 'given' or changes.change <> 'subscribed')
            and (
                changes.channel = newest.channel
                or (changes.channel = 'list' and newest.consent = 'withdrawn' and newest.list_id is not null)
            )
    )

)

select * from keep_unknown
