{%- set confirm = lf_variable('confirm_subscriptions') -%}

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

consent_methods as (

    select * from {{ ref('consent_methods') }}

),

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

lists as (

    select * from {{ ref('stg_klaviyo__lists') }}

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

-- Whose each is: whoever is subscribed by another identifier is the same person.
yours as {{ lf_materialized() }} (

    select
        consent_statements.*,
        pushed_contacts.statement_ref is not null as is_recent,
        coalesce(pushed_contacts.profile_id, consent_statements.profile_id) as known_profile_id,
        coalesce(
            pushed_contacts.profile_id,
            consent_statements.profile_id,
            case when consent_statements.channel like 'email%' then 'email:' || consent_statements.identifier end,
            pushed_contacts.contact_key,
            consent_statements.identifier
        ) as person

    from consent_statements
    left join pushed_contacts on consent_statements.statement_ref = pushed_contacts.statement_ref
    where
        consent_statements.origin = 'statements'
        and consent_statements.said in ('given', 'withdrawn')

),

-- Nobody is unsubscribed from push by an id. What Klaviyo shows as subscribed although it was withdrawn is due however long ago that was.
recent as (

    select
        yours.*,
        consent_decided.said as decided_said,
        consent_decided.may_be_written_to,
        consent_decided.klaviyo_given_at,
        consent_decided.klaviyo_withdrawn_at,
        consent_decided.held_since,
        row_number() over (
            partition by yours.channel, yours.identifier, yours.list_id
            order by
                yours.authority desc,
                yours.stated_second desc,
                case when yours.said = 'withdrawn' then 0 else 1 end,
                yours.stated_at desc,
                yours.statement_ref desc
        ) as recency

    from yours
    left join consent_decided
        on
            yours.channel = consent_decided.channel
            and yours.identifier = consent_decided.identifier
    where
        yours.channel in ({{ lf_consent_channel_names() }})
        and not (yours.channel = 'push' and yours.said = 'withdrawn')
        and (
            yours.is_recent
            or (
                yours.said = 'withdrawn'
                and yours.list_id is null
                and consent_decided.klaviyo_given_at is not null
                and coalesce(consent_decided.klaviyo_given_at > consent_decided.klaviyo_withdrawn_at, true)
            )
        )

),

-- Who withdraws from a channel leaves every list of it.
wanted as (

    select *
    from recent
    where
        recency = 1
        and case
            when said = 'given' then may_be_written_to
            when list_id is null then decided_said = 'withdrawn'
            else coalesce(decided_said, '') <> 'withdrawn'
        end

),

-- Those whom this project has had subscribed, to anything: Klaviyo may not show it yet.
subscribed as (

    select
        yours.channel,
        yours.identifier,
        max(published.published_at) as published_at

    from published
    inner join yours on published.statement_ref = yours.statement_ref
    where published.action = 'subscribe'
    group by yours.channel, yours.identifier

),

-- A membership of before is enough for who is subscribed; else what Klaviyo tells must have come after. Who is out is not put out again, unless a subscription is on its way.
keep_unknown as (

    select wanted.*

    from wanted
    left join subscribed on wanted.channel = subscribed.channel and wanted.identifier = subscribed.identifier
    where
        case
            when wanted.said = 'withdrawn' and wanted.list_id is null then
                wanted.klaviyo_withdrawn_at is null
                or coalesce(wanted.klaviyo_given_at > wanted.klaviyo_withdrawn_at, false)
                or (wanted.klaviyo_withdrawn_at < wanted.stated_second and coalesce(subscribed.published_at > wanted.klaviyo_withdrawn_at, false))
            when wanted.said = 'withdrawn' then not exists (
                select 1
                from consent_log
                where
                    consent_log.profile_id = wanted.known_profile_id
                    and consent_log.occurred_at >= wanted.stated_second
                    and consent_log.change in ('unsubscribed', 'suppressed', 'marked_spam')
                    and consent_log.channel in (wanted.channel, 'list')
            )
            when wanted.list_id is null then not (
                coalesce(wanted.held_since, wanted.klaviyo_given_at) is not null
                and (wanted.held_since is not null or wanted.klaviyo_given_at >= wanted.stated_second)
                and (wanted.klaviyo_withdrawn_at is null or wanted.klaviyo_given_at > wanted.klaviyo_withdrawn_at)
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
                (wanted.held_since is not null or coalesce(wanted.klaviyo_given_at >= wanted.stated_second, false))
                and (wanted.klaviyo_withdrawn_at is null or wanted.klaviyo_given_at > wanted.klaviyo_withdrawn_at)
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

    select yours.person
    from published
    inner join yours on published.statement_ref = yours.statement_ref
    where
        published.action = 'subscribe'
        and published.published_at > {{ lf_dateadd('minute', -30, lf_now()) }}

    union all

    select profile_id as person
    from consent_log
    where
        change = 'subscribed'
        and channel <> 'list'
        and occurred_at > {{ lf_dateadd('minute', -30, lf_now()) }}

),

people_of_half_hour as (

    select distinct person
    from half_hour

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

-- Klaviyo asks where the list asks whoever joins it, unless they have confirmed it to you. Consent to being tracked is recorded, and never asked for.
lined_up as (

    select
        keep_unknown.*,
        keep_unknown.channel in ('email_open_tracking', 'email_click_tracking') as is_of_tracking,
        {% if confirm is none -%}
        keep_unknown.said = 'given'
        and keep_unknown.stated_by = 'person'
        and not coalesce(consent_methods.is_confirmed, false)
        and coalesce(lists.opt_in_process = 'double_opt_in', false) as needs_confirmation,
        {%- elif confirm -%}
        keep_unknown.said = 'given'
        and keep_unknown.channel not in ('email_open_tracking', 'email_click_tracking')
        and not coalesce(consent_methods.is_confirmed, false) as needs_confirmation,
        {%- else -%}
        false as needs_confirmation,
        {%- endif %}
        coalesce(asked.times >= 2 or asked.last_at > {{ lf_dateadd('day', -1, lf_now()) }}, false) as was_asked

    from keep_unknown
    left join asked on keep_unknown.statement_ref = asked.statement_ref
    left join lists on keep_unknown.list_id = lists.list_id
    left join consent_methods on {{ lf_consent_method('keep_unknown.method') }} = consent_methods.method

),

in_turn as (

    select
        *,
        row_number() over (
            partition by person, said, case when needs_confirmation and was_asked then 1 else 0 end
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
        case when in_turn.channel like 'email%' then in_turn.address end as email,
        case when in_turn.channel like 'sms%' or in_turn.channel like 'whatsapp%' then in_turn.identifier end as phone_number,
        case
            when in_turn.said = 'given' then coalesce(in_turn.source || ' · ' || in_turn.method, in_turn.source, in_turn.method)
        end as custom_source,
        case
            when in_turn.needs_confirmation and in_turn.was_asked then 'confirmation'
            when in_turn.said = 'given' and (in_turn.turn > 1 or people_of_half_hour.person is not null) then 'half_hour'
        end as waits_for,

        ---------- booleans
        case when in_turn.said = 'given' and not in_turn.needs_confirmation and not in_turn.is_of_tracking then true end as historical_import,

        ---------- timestamps
        case when in_turn.said = 'given' and not in_turn.needs_confirmation then in_turn.stated_at end as consented_at

    from in_turn
    left join people_of_half_hour on in_turn.person = people_of_half_hour.person

)

select * from due
