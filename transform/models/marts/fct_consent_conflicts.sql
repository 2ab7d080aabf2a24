with

consent_statements as (

    select * from {{ ref('int_consent_statements') }}

),

consent_decided as (

    select * from {{ ref('int_consent_decided') }}

),

last_words as (

    select
        *,
        row_number() over (
            partition by channel, identifier, case when origin = 'statements' then 0 else 1 end, authority, said
            order by stated_second desc, statement_ref
        ) as recency
    from consent_statements
    where
        said in ('given', 'withdrawn')
        and (list_id is null or said = 'given')

),

-- What is older than the same side's own word on it is its past, and no conflict.
overruled as (

    select
        ---------- ids
        consent_decided.identifier_kind,
        consent_decided.identifier,
        last_words.statement_ref,
        consent_decided.statement_ref as decided_by_ref,

        ---------- texts
        consent_decided.channel,
        last_words.said,
        last_words.origin,
        last_words.stated_by,
        consent_decided.state,
        consent_decided.origin as decided_by_origin,
        consent_decided.rule,

        ---------- timestamps
        last_words.stated_at,
        consent_decided.stated_at as decided_by_stated_at

    from last_words
    inner join consent_decided
        on
            last_words.channel = consent_decided.channel
            and last_words.identifier = consent_decided.identifier
    where
        last_words.recency = 1
        and (
            (last_words.said = 'given' and not consent_decided.may_be_written_to)
            or (last_words.said = 'withdrawn' and consent_decided.may_be_written_to)
        )
        and not exists (
            select 1
            from last_words as later_words
            where
                later_words.channel = last_words.channel
                and later_words.identifier = last_words.identifier
                and later_words.recency = 1
                and case when later_words.origin = 'statements' then 0 else 1 end
                = case when last_words.origin = 'statements' then 0 else 1 end
                and later_words.authority >= last_words.authority
                and later_words.said <> last_words.said
                and later_words.stated_second > last_words.stated_second
        )

)

select * from overruled
