with

consent_log as (

    select * from {{ ref('fct_consent_log') }}

),

consent_shown as (

    select * from {{ ref('fct_consent_shown') }}

),

consent_statements as (

    select * from {{ ref('int_consent_statements') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

-- Of the other channels Klaviyo has no metric; what became of them only the profile shows.
changes as (

    select
        change_id,
        'event:' || change_id as statement_ref,
        profile_id,
        external_id,
        message_id,
        form_id,
        channel,
        change,
        failure_type,
        list_name,
        occurred_at,
        recorded_at
    from consent_log

    union all

    select
        {{ lf_md5(lf_consent_ref('consent_shown')) }} as change_id,
        {{ lf_consent_ref('consent_shown') }} as statement_ref,
        profile_id,
        external_id,
        cast(null as {{ lf_type('varchar') }}) as message_id,
        form_id,
        channel,
        case when said = 'given' then 'subscribed' else 'unsubscribed' end as change,
        cast(null as {{ lf_type('varchar') }}) as failure_type,
        cast(null as {{ lf_type('varchar') }}) as list_name,
        coalesce(stated_at, recorded_at) as occurred_at,
        recorded_at
    from consent_shown
    where
        channel not in ('email', 'sms')
        and said in ('given', 'withdrawn')

),

-- What Klaviyo tells after you have said it yourselves, and nothing came between, is no news to you.
words as (

    select
        statement_ref,
        said,
        lag(statement_ref) over (
            partition by channel, identifier
            order by stated_second, case when origin = 'statements' then 0 else 1 end, statement_ref
        ) as last_ref,
        lag(said) over (
            partition by channel, identifier
            order by stated_second, case when origin = 'statements' then 0 else 1 end, statement_ref
        ) as last_said,
        lag(origin) over (
            partition by channel, identifier
            order by stated_second, case when origin = 'statements' then 0 else 1 end, statement_ref
        ) as last_origin
    from consent_statements
    where
        list_id is null
        and (
            origin = 'statements'
            or (origin = 'klaviyo_events' and channel in ('email', 'sms'))
            or (origin = 'klaviyo_profiles' and channel not in ('email', 'sms'))
        )

),

add_addresses as (

    select
        ---------- ids
        changes.change_id,
        changes.profile_id,
        coalesce(profiles.external_id, changes.external_id) as external_id,
        profiles.email,
        profiles.phone_number,
        changes.message_id,
        changes.form_id,
        case when words.last_origin = 'statements' and words.last_said = words.said then words.last_ref end as repeats_ref,

        ---------- texts
        changes.channel,
        changes.change,
        changes.failure_type,
        changes.list_name,

        ---------- timestamps
        changes.occurred_at,
        changes.recorded_at

    from changes
    left join profiles on changes.profile_id = profiles.profile_id
    left join words on changes.statement_ref = words.statement_ref

)

select * from add_addresses
