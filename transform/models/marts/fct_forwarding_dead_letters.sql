{#- Why a decision is none that a file asks for, and what a person can do about it. -#}
{%- set remedies = {
    'nobody': 'the event names nobody by what `who` looks for: add where the identifier stands',
    'anonymous': 'only the visitor is known: with `who.stitch_days` it is sent once they tell who they are',
    'gone': 'Klaviyo has deleted the profile since: nothing is to be done, unless they come back',
    'no_items': 'the list of `per` is empty or not there: correct its path',
    'too_old': 'it came later than `age.hours`: raise it, or say `older: backfill`',
} -%}

with

ledger as {{ lf_repeated() }} (

    select * from {{ ref('fct_forwarding') }}

),

refused_records as (

    select * from {{ ref('stg_forwarding__refused_records') }}

),

remedies as (

    {% for decision, remedy in remedies.items() -%}
    select
        '{{ decision }}' as decision,
        {{ lf_literal(remedy) }} as remedy
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

rank_refusals as (

    select
        *,
        row_number() over (partition by metric, unique_id order by refused_at desc, refusal_id) as recency
    from refused_records
    where stream_name = 'events'

),

-- What holds is what nothing has taken the place of.
candidates as (

    select
        ledger.*,
        coalesce(rank_refusals.code, case when ledger.decision = 'forwarded' then 'not_shown' else ledger.decision end) as reason,
        case
            when ledger.decision = 'forwarded' and rank_refusals.refusal_id is null
                then 'Klaviyo took it and shows no such event: look whether events of its metric are read'
            else coalesce(rank_refusals.remedy, remedies.remedy)
        end as remedy,
        rank_refusals.detail

    from ledger
    left join remedies on ledger.decision = remedies.decision
    left join rank_refusals
        on
            ledger.decision = 'forwarded'
            and ledger.metric = rank_refusals.metric
            and ledger.unique_id = rank_refusals.unique_id
            and rank_refusals.recency = 1
            and rank_refusals.refused_at >= ledger.decided_at
    where
        remedies.decision is not null
        or rank_refusals.refusal_id is not null
        or (ledger.decision = 'forwarded' and not {{ lf_is_sent_still('ledger.decided_at') }})

),

later as (

    select
        ledger.match_ref,
        max(ledger.decided_at) as decided_at

    from ledger
    inner join candidates on ledger.match_ref = candidates.match_ref
    group by ledger.match_ref

),

dead_letters as (

    select
        ---------- ids
        candidates.match_ref,
        candidates.definition_key,
        candidates.message_id,
        candidates.unique_id,

        ---------- texts
        candidates.event,
        candidates.metric,
        candidates.decision,
        candidates.reason,
        candidates.detail,
        candidates.remedy,

        ---------- booleans
        {{ lf_is_sent_still('candidates.decided_at') }} as is_sent_again,

        ---------- timestamps
        candidates.occurred_at,
        candidates.received_at,
        candidates.decided_at

    from candidates
    inner join later
        on
            candidates.match_ref = later.match_ref
            and candidates.decided_at = later.decided_at

)

select * from dead_letters
