with

consent_statements as (

    select * from {{ ref('int_consent_statements') }}

),

consent_decided as (

    select * from {{ ref('int_consent_decided') }}

),

consent_log as (

    select * from {{ ref('fct_consent_log') }}

),

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

list_memberships as (

    select * from {{ ref('stg_klaviyo__list_memberships') }}

),

-- What this run writes down itself does not count: whichever is built first.
published as (

    select *
    from {{ lf_ledger('fct_consent_published') }}
    where published_at < {{ lf_now() }}

),

-- Nobody is unsubscribed from push by an id.
recent as (

    select
        consent_statements.*,
        pushed_contacts.contact_key,
        pushed_contacts.profile_id as known_profile_id,
        row_number() over (
            partition by consent_statements.channel, consent_statements.identifier, consent_statements.list_id
            order by
                consent_statements.authority desc,
                consent_statements.stated_second desc,
                case when consent_statements.said = 'withdrawn' then 0 else 1 end,
                consent_statements.stated_at desc,
                consent_statements.statement_ref desc
        ) as recency

    from consent_statements
    inner join pushed_contacts on consent_statements.statement_ref = pushed_contacts.statement_ref
    where
        consent_statements.origin = 'statements'
        and consent_statements.said in ('given', 'withdrawn')
        and consent_statements.channel in ('email', 'sms', 'whatsapp', 'push')
        and not (consent_statements.channel = 'push' and consent_statements.said = 'withdrawn')

),

-- Who withdraws from a channel leaves every list of it.
wanted as (

    select
        recent.*,
        consent_decided.klaviyo_given_at,
        consent_decided.klaviyo_withdrawn_at,
        consent_decided.held_since

    from recent
    left join consent_decided
        on
            recent.channel = consent_decided.channel
            and recent.identifier = consent_decided.identifier
    where
        recent.recency = 1
        and case
            when recent.said = 'given' then consent_decided.may_be_written_to
            when recent.list_id is null then consent_decided.said = 'withdrawn'
            else coalesce(consent_decided.said, '') <> 'withdrawn'
        end

),

-- A membership of before is enough for who is subscribed; else what Klaviyo tells must have come after.
keep_unknown as (

    select *
    from wanted
    where
        case
            when said = 'withdrawn' and list_id is null then coalesce(klaviyo_withdrawn_at < stated_second, true)
            when said = 'withdrawn' then not exists (
                select 1
                from consent_log
                where
                    consent_log.profile_id = wanted.known_profile_id
                    and consent_log.occurred_at >= wanted.stated_second
                    and consent_log.change in ('unsubscribed', 'suppressed', 'marked_spam')
                    and consent_log.channel in (wanted.channel, 'list')
            )
            when list_id is null then not (
                coalesce(held_since, klaviyo_given_at) is not null
                and (held_since is not null or klaviyo_given_at >= stated_second)
                and (klaviyo_withdrawn_at is null or klaviyo_given_at > klaviyo_withdrawn_at)
            )
            else not exists (
                select 1
                from consent_log
                where
                    consent_log.profile_id = wanted.known_profile_id
                    and consent_log.occurred_at >= wanted.stated_second
                    and consent_log.change = 'subscribed'
                    and consent_log.channel in (wanted.channel, 'list')
            )
            and not (
                (held_since is not null or coalesce(klaviyo_given_at >= stated_second, false))
                and (klaviyo_withdrawn_at is null or klaviyo_given_at > klaviyo_withdrawn_at)
                and exists (
                    select 1
                    from list_memberships
                    where
                        list_memberships.list_id = wanted.list_id
                        and list_memberships.profile_id = wanted.known_profile_id
                )
            )
        end

),

-- Who was subscribed lately, by this or by anybody: Klaviyo asks for half an hour between two subscriptions of a profile.
half_hour as (

    select pushed_contacts.contact_key
    from published
    inner join pushed_contacts on published.statement_ref = pushed_contacts.statement_ref
    where
        published.action = 'subscribe'
        and published.published_at > {{ lf_dateadd('minute', -30, lf_now()) }}

    union all

    select pushed_contacts.contact_key
    from consent_log
    inner join pushed_contacts on consent_log.profile_id = pushed_contacts.profile_id
    where
        consent_log.change = 'subscribed'
        and consent_log.channel <> 'list'
        and consent_log.occurred_at > {{ lf_dateadd('minute', -30, lf_now()) }}

),

people_of_half_hour as (

    select distinct coalesce(pushed_contacts.profile_id, pushed_contacts.contact_key) as person
    from half_hour
    inner join pushed_contacts on half_hour.contact_key = pushed_contacts.contact_key

),

-- Of a confirmation that was asked for Klaviyo shows nothing until it is given.
asked as (

    select
        statement_ref,
        count(*) as times,
        max(published_at) as last_at
    from published
    where action = 'subscribe'
    group by statement_ref

),

lined_up as (

    select
        keep_unknown.*,
        coalesce(keep_unknown.known_profile_id, keep_unknown.contact_key) as person,
        {% if lf_variable('confirm_subscriptions') -%}
        keep_unknown.said = 'given'
        and asked.times is not null
        and (asked.times >= 2 or asked.last_at > {{ lf_dateadd('day', -1, lf_now()) }}) as is_asked
        {%- else -%}
        false as is_asked
        {%- endif %}

    from keep_unknown
    left join asked on keep_unknown.statement_ref = asked.statement_ref

),

in_turn as (

    select
        *,
        row_number() over (
            partition by person, said, case when is_asked then 1 else 0 end
            order by
                case when list_id is null then 1 else 0 end,
                stated_second,
                channel,
                list_id,
                statement_ref
        ) as turn
    from lined_up

),

due as (

    select
        ---------- ids
        in_turn.statement_ref,
        in_turn.list_id,
        case when in_turn.channel = 'push' then in_turn.identifier end as profile_id,

        ---------- texts
        in_turn.channel,
        case when in_turn.said = 'given' then 'SUBSCRIBED' else 'UNSUBSCRIBED' end as consent,
        case when in_turn.channel = 'email' then in_turn.address end as email,
        case when in_turn.channel in ('sms', 'whatsapp') then in_turn.identifier end as phone_number,
        case
            when in_turn.said = 'given' then coalesce(in_turn.source || ' · ' || in_turn.method, in_turn.source, in_turn.method)
        end as custom_source,
        case
            when in_turn.is_asked then 'confirmation'
            when in_turn.said = 'given' and (in_turn.turn > 1 or people_of_half_hour.person is not null) then 'half_hour'
        end as waits_for,

        ---------- booleans
        case when in_turn.said = 'given' and not {{ 'true' if lf_variable('confirm_subscriptions') else 'false' }} then true end as historical_import,

        ---------- timestamps
        case
            when in_turn.said = 'given' and not {{ 'true' if lf_variable('confirm_subscriptions') else 'false' }} then in_turn.stated_at
        end as consented_at

    from in_turn
    left join people_of_half_hour on in_turn.person = people_of_half_hour.person

)

select * from due
