{%- set authorities = [2, 1, 0] -%}

with

consent_statements as (

    select * from {{ ref('int_consent_statements') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

-- Who leaves one list leaves no channel; who joins one by a channel agrees to it.
statements as {{ lf_materialized() }} (

    select * from consent_statements
    where
        list_id is null
        or said = 'given'

),

-- The newest second of each word, by on whose word it is, and what Klaviyo shows of it.
tallied as (

    select
        channel,
        identifier,
        min(identifier_kind) as identifier_kind,
        max(profile_id) as profile_id,
        {% for authority in authorities -%}
        max(case when authority = {{ authority }} and said = 'given' then stated_second end) as given_{{ authority }},
        max(case when authority = {{ authority }} and said = 'withdrawn' then stated_second end) as withdrawn_{{ authority }},
        {% endfor -%}
        max(
            case when origin <> 'statements' and said = 'given' then {{ lf_larger('stated_second', 'changed_second') }} end
        ) as klaviyo_given_at,
        max(case when origin <> 'statements' and said = 'withdrawn' then stated_second end) as klaviyo_withdrawn_at,
        max(case when origin = 'klaviyo_profiles' and not is_past and said = 'given' then stated_second end) as held_since

    from statements
    where said in ('given', 'withdrawn')
    group by channel, identifier

),

heard as (

    select
        *,
        case
            when coalesce(given_2, withdrawn_2) is not null then 2
            when coalesce(given_1, withdrawn_1) is not null then 1
            else 0
        end as authority
    from tallied

),

weighed as (

    select
        *,
        case authority when 2 then given_2 when 1 then given_1 else given_0 end as given_at,
        case authority when 2 then withdrawn_2 when 1 then withdrawn_1 else withdrawn_0 end as withdrawn_at,
        {{ lf_larger('given_1', 'given_0') }} as given_by_others_at,
        {{ lf_larger('withdrawn_1', 'withdrawn_0') }} as withdrawn_by_others_at
    from heard

),

worded as (

    select
        *,
        case when withdrawn_at is null or given_at > withdrawn_at then 'given' else 'withdrawn' end as said,
        {{ lf_larger('given_at', 'withdrawn_at') }} as stated_second
    from weighed

),

-- Of several that say the same in one second, one of yours, which has its proof.
chosen as (

    select
        worded.channel,
        worded.identifier,
        min(statements.statement_ref) as statement_ref

    from worded
    inner join statements
        on
            worded.channel = statements.channel
            and worded.identifier = statements.identifier
            and worded.authority = statements.authority
            and worded.said = statements.said
            and worded.stated_second = statements.stated_second
    group by worded.channel, worded.identifier

),

lifted as (

    select
        channel,
        identifier,
        max(stated_second) as lifted_at
    from statements
    where said = 'lifted'
    group by channel, identifier

),

-- Klaviyo's is over when it was lifted, or when the profile, read an hour later at the least, shows it no more; yours, when its owner consents anew.
blocked as (

    select
        statements.*,
        row_number() over (
            partition by statements.channel, statements.identifier
            order by
                case when statements.origin = 'statements' then 1 else 0 end,
                statements.stated_second desc,
                statements.statement_ref
        ) as place,
        max(case when statements.origin <> 'statements' then 1 else 0 end) over (
            partition by statements.channel, statements.identifier
        ) as is_of_klaviyo,
        max(case when statements.origin = 'statements' then statements.statement_ref end) over (
            partition by statements.channel, statements.identifier
        ) as your_statement_ref

    from statements
    left join lifted on statements.channel = lifted.channel and statements.identifier = lifted.identifier
    left join worded on statements.channel = worded.channel and statements.identifier = worded.identifier
    left join profiles on statements.profile_id = profiles.profile_id and statements.origin = 'klaviyo_events'
    where
        statements.said = 'blocked'
        and not (
            statements.origin <> 'statements'
            and statements.block = 'suppressed'
            and coalesce(lifted.lifted_at > statements.stated_second, false)
        )
        and not (
            statements.origin = 'klaviyo_events'
            and profiles.subscriptions is not null
            and coalesce(profiles.updated_at > {{ lf_dateadd('hour', 1, 'statements.stated_second') }}, false)
        )
        and not (
            statements.origin = 'statements'
            and coalesce(worded.given_2 > statements.stated_second, false)
        )

),

standing as (

    select * from blocked
    where place = 1

),

addressees as (

    select
        channel,
        identifier
    from worded

    union all

    select
        standing.channel,
        standing.identifier

    from standing
    left join worded on standing.channel = worded.channel and standing.identifier = worded.identifier
    where worded.identifier is null

),

joined as (

    select
        addressees.channel,
        addressees.identifier,
        coalesce(worded.identifier_kind, standing.identifier_kind) as identifier_kind,
        coalesce(worded.profile_id, standing.profile_id) as profile_id,
        worded.said,
        worded.stated_second as said_second,
        case
            when standing.block is not null then 'suppressed'
            when worded.said = 'given' then 'subscribed'
            else 'unsubscribed'
        end as state,
        case
            when standing.block is not null then standing.block
            when worded.said = 'withdrawn' and worded.given_at = worded.withdrawn_at then 'withdrawal_wins_tie'
            when worded.authority < 2 then 'newest_of_others'
            when
                worded.said = 'given' and worded.withdrawn_by_others_at >= worded.stated_second
                or worded.said = 'withdrawn' and worded.given_by_others_at > worded.stated_second
                then 'person_over_others'
            else 'newest_by_person'
        end as rule,
        coalesce(standing.statement_ref, chosen.statement_ref) as statement_ref,
        chosen.statement_ref as said_ref,
        standing.your_statement_ref as block_ref,
        coalesce(standing.is_of_klaviyo, 0) = 1 as is_blocked_by_klaviyo,
        worded.klaviyo_given_at,
        worded.klaviyo_withdrawn_at,
        worded.held_since

    from addressees
    left join worded on addressees.channel = worded.channel and addressees.identifier = worded.identifier
    left join chosen on addressees.channel = chosen.channel and addressees.identifier = chosen.identifier
    left join standing on addressees.channel = standing.channel and addressees.identifier = standing.identifier

),

evidenced as (

    select
        ---------- ids
        joined.identifier_kind,
        joined.identifier,
        joined.profile_id,
        joined.statement_ref,
        joined.said_ref,
        joined.block_ref,
        statements.form_id,

        ---------- texts
        joined.channel,
        joined.state,
        joined.said,
        joined.rule,
        statements.origin,
        statements.stated_by,
        statements.source,
        statements.method,
        statements.form_version,
        statements.address,

        ---------- booleans
        joined.state = 'subscribed' as may_be_written_to,
        joined.is_blocked_by_klaviyo,

        ---------- documents
        statements.proof,

        ---------- timestamps
        statements.stated_at,
        joined.said_second,
        joined.klaviyo_given_at,
        joined.klaviyo_withdrawn_at,
        joined.held_since

    from joined
    inner join statements
        on
            joined.statement_ref = statements.statement_ref
            and joined.channel = statements.channel
            and joined.identifier = statements.identifier

)

select * from evidenced
