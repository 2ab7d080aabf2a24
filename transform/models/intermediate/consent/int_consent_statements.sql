with

statements as (

    select * from {{ ref('stg_inbox__consent_statements') }}

),

request_statements as (

    select * from {{ ref('int_request_statements') }}

),

consent_methods as (

    select * from {{ ref('consent_methods') }}

),

consent_log as (

    select * from {{ ref('fct_consent_log') }}

),

consent_held as (

    select * from {{ ref('int_consent_held') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

profile_keys as (

    select * from {{ ref('int_profile_keys') }}

),

profiles_gone as (

    select * from {{ ref('int_profiles_gone') }}

),

readings as (

    select * from {{ ref('int_resource_readings') }}

),

last_sweep as (

    select max(snapshot_at) as snapshot_at
    from readings
    where stream_name = 'profiles'

),

-- A clock that is ahead must not make a statement the newest for good.
cleaned as (

    select
        'consent:' || statement_id as statement_ref,
        lower(trim(channel)) as channel,
        nullif(trim(list_id), '') as list_id,
        lower(trim(consent)) as said,
        nullif(trim(source), '') as source,
        nullif(trim(method), '') as method,
        {{ lf_consent_method('method') }} as method_key,
        {{ lf_json_text('proof', 'form_id') }} as form_id,
        {{ lf_json_text('proof', 'form_version') }} as form_version,
        proof,
        nullif(trim(profile_id), '') as stated_profile_id,
        nullif(trim(external_id), '') as external_id,
        {{ lf_email_address('email') }} as email,
        {{ lf_phone_number('phone_number') }} as phone_number,
        case when stated_at < received_at then stated_at else coalesce(received_at, stated_at) end as stated_at,
        coalesce(received_at, stated_at) as received_at
    from statements
    where lower(trim(consent)) in ('given', 'withdrawn')

    union all

    select
        statement_ref,
        channel,
        cast(null as {{ lf_type('varchar') }}) as list_id,
        'withdrawn' as said,
        cast(null as {{ lf_type('varchar') }}) as source,
        method,
        {{ lf_consent_method('method') }} as method_key,
        cast(null as {{ lf_type('varchar') }}) as form_id,
        cast(null as {{ lf_type('varchar') }}) as form_version,
        cast(null as {{ lf_type('json') }}) as proof,
        profile_id as stated_profile_id,
        cast(null as {{ lf_type('varchar') }}) as external_id,
        email,
        phone_number,
        stated_at,
        stated_at as received_at
    from request_statements

),

keyed as (

    select
        *,
        coalesce(
            case
                when channel like 'email%' then 'email:' || lower(email)
                when channel = 'push' then 'id:' || stated_profile_id
                else 'phone_number:' || phone_number
            end,
            {{ lf_contact_key('email', 'phone_number', 'external_id', 'stated_profile_id') }}
        ) as contact_key
    from cleaned

),

-- Whom Klaviyo has deleted begins anew: what they gave before the sweep that found out counts no more.
yours as (

    select
        keyed.statement_ref,
        'statements' as origin,
        coalesce(profiles.profile_id, keyed.stated_profile_id) as profile_id,
        keyed.channel,
        keyed.list_id,
        case when coalesce(consent_methods.block, 'none') = 'none' then keyed.said else 'blocked' end as said,
        nullif(consent_methods.block, 'none') as block,
        coalesce(consent_methods.stated_by, 'person') as stated_by,
        keyed.source,
        keyed.method,
        keyed.form_id,
        keyed.form_version,
        keyed.proof,
        coalesce(keyed.email, profiles.email) as email,
        coalesce(keyed.phone_number, profiles.phone_number) as phone_number,
        keyed.stated_at

    from keyed
    cross join last_sweep
    left join consent_methods
        on
            keyed.method_key = consent_methods.method
            and (keyed.said = 'withdrawn' or consent_methods.block = 'none')
    left join profile_keys on keyed.contact_key = profile_keys.contact_key
    left join profiles on profile_keys.profile_id = profiles.profile_id
    where
        keyed.said = 'withdrawn'
        or profile_keys.contact_key is null
        or profile_keys.profile_id is not null
        or last_sweep.snapshot_at is null
        or keyed.received_at > last_sweep.snapshot_at

),

-- Who subscribed by a form of Klaviyo's did so themselves; of other subscriptions that is not told here. Whoever withdrew one, it is withdrawn.
changed as (

    select
        'event:' || consent_log.change_id as statement_ref,
        'klaviyo_events' as origin,
        consent_log.profile_id,
        consent_log.channel,
        cast(null as {{ lf_type('varchar') }}) as list_id,
        case
            when consent_log.change = 'subscribed' then 'given'
            when consent_log.change in ('unsubscribed', 'marked_spam') then 'withdrawn'
            when consent_log.change = 'unsuppressed' then 'lifted'
            else 'blocked'
        end as said,
        case
            when consent_log.change in ('suppressed', 'unsuppressed') then 'suppressed'
            when consent_log.change = 'bounced' then 'hard_bounce'
        end as block,
        case
            when consent_log.change = 'marked_spam' then 'person'
            when consent_log.change = 'unsubscribed' or consent_log.form_id is not null then 'person'
            else 'unknown'
        end as stated_by,
        cast(null as {{ lf_type('varchar') }}) as source,
        case when consent_log.change = 'marked_spam' then 'spam_complaint' end as method,
        consent_log.form_id,
        cast(null as {{ lf_type('varchar') }}) as form_version,
        cast(null as {{ lf_type('json') }}) as proof,
        profiles.email,
        profiles.phone_number,
        consent_log.occurred_at as stated_at

    from consent_log
    inner join profiles on consent_log.profile_id = profiles.profile_id
    where
        consent_log.channel in ('email', 'sms', 'push')
        and (
            consent_log.change in ('subscribed', 'unsubscribed', 'marked_spam', 'suppressed', 'unsuppressed')
            or (consent_log.change = 'bounced' and lower(consent_log.failure_type) = 'hard' and consent_log.channel = 'email')
        )

),

-- A profile that is gone was read before it went: what it withdrew holds, what it gave does not.
held as (

    select
        'profile:' || consent_held.profile_id || ':' || consent_held.channel
        || coalesce(':' || consent_held.list_id, '') || coalesce(':' || consent_held.block, ':' || consent_held.method, '') as statement_ref,
        'klaviyo_profiles' as origin,
        consent_held.profile_id,
        consent_held.channel,
        consent_held.list_id,
        consent_held.said,
        consent_held.block,
        case
            when consent_held.said = 'withdrawn' or consent_held.form_id is not null then 'person'
            else coalesce(consent_methods.stated_by, 'unknown')
        end as stated_by,
        consent_held.source,
        consent_held.method,
        consent_held.form_id,
        consent_held.form_version,
        cast(null as {{ lf_type('json') }}) as proof,
        profiles.email,
        profiles.phone_number,
        consent_held.stated_at

    from consent_held
    inner join profiles on consent_held.profile_id = profiles.profile_id
    left join profiles_gone on consent_held.profile_id = profiles_gone.profile_id
    left join consent_methods on {{ lf_consent_method('consent_held.method') }} = consent_methods.method
    where
        consent_held.said <> 'given'
        or profiles_gone.profile_id is null

),

together as (

    select * from yours

    union all

    select * from changed

    union all

    select * from held

),

-- The identifier is the channel's own. Of a withdrawal without a time nothing is later, of a consent without one nothing earlier.
addressed as (

    select
        ---------- ids
        statement_ref,
        case when channel like 'email%' then 'email' when channel = 'push' then 'id' else 'phone_number' end as identifier_kind,
        case
            when channel like 'email%' then lower(trim(email))
            when channel = 'push' then profile_id
            else phone_number
        end as identifier,
        profile_id,
        list_id,
        form_id,

        ---------- texts
        channel,
        origin,
        said,
        block,
        stated_by,
        source,
        method,
        form_version,
        case when channel like 'email%' then email when channel <> 'push' then phone_number end as address,

        ---------- numbers
        case stated_by when 'person' then 2 when 'default' then 0 else 1 end as authority,

        ---------- documents
        proof,

        ---------- timestamps
        stated_at,
        coalesce(
            {{ lf_whole_second('stated_at') }},
            cast(case when said = 'given' then '1970-01-01 00:00:00' else '9999-12-31 00:00:00' end as {{ lf_type('timestamp') }})
        ) as stated_second

    from together

),

keep_addressed as (

    select * from addressed
    where identifier is not null

)

select * from keep_addressed
