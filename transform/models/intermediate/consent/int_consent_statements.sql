with

statements as (

    select * from {{ ref('stg_inbox__consent_statements') }}

),

request_statements as (

    select * from {{ ref('int_request_statements') }}

),

orders as (

    select * from {{ ref('stg_inbox__orders') }}

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

consent_shown as (

    select * from {{ lf_ledger('fct_consent_shown') }}

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
        case when lower(trim(channel)) in ({{ lf_consent_channel_names(with_lists_only=true) }}) then nullif(trim(list_id), '') end as list_id,
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
        case
            when channel like 'email%' then 'email:' || lower(email)
            when channel = 'push' then 'id:' || stated_profile_id
            else 'phone_number:' || phone_number
        end as channel_key,
        {{ lf_contact_key('email', 'phone_number', 'external_id', 'stated_profile_id') }} as named_key
    from cleaned

),

lacking as (

    select distinct named_key as contact_key
    from keyed
    where channel_key is null

),

-- Whoever does not name the channel's own identifier has it by what you were told of them: a withdrawal must not be lost for want of an address.
told as (

    {% for kind, name in [('email', 'lower(email)'), ('phone_number', 'phone_number'), ('external_id', 'external_id'), ('id', 'stated_profile_id')] -%}
    select
        '{{ kind }}:' || {{ name }} as contact_key,
        email,
        phone_number,
        stated_at,
        statement_ref
    from cleaned
    where {{ name }} is not null

    union all

    {% endfor -%}
    select
        'external_id:' || nullif(trim(external_id), '') as contact_key,
        {{ lf_email_address('email') }} as email,
        {{ lf_phone_number('phone_number') }} as phone_number,
        occurred_at as stated_at,
        'order:' || shop || ':' || order_id || ':' || event as statement_ref
    from orders

),

told_addresses as (

    {% for name in ['email', 'phone_number'] -%}
    select
        told.contact_key,
        '{{ name }}' as kind,
        told.{{ name }} as address,
        row_number() over (partition by told.contact_key order by told.stated_at desc, told.statement_ref desc) as recency

    from told
    inner join lacking on told.contact_key = lacking.contact_key
    where told.{{ name }} is not null
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

newest_addresses as (

    select
        contact_key,
        max(case when kind = 'email' then address end) as email,
        max(case when kind = 'phone_number' then address end) as phone_number
    from told_addresses
    where recency = 1
    group by contact_key

),

found as (

    select
        keyed.*,
        coalesce(keyed.channel_key, keyed.named_key) as contact_key,
        newest_addresses.email as told_email,
        newest_addresses.phone_number as told_phone_number,
        case
            when keyed.channel like 'email%' then 'email:' || lower(newest_addresses.email)
            when keyed.channel <> 'push' then 'phone_number:' || newest_addresses.phone_number
        end as told_key

    from keyed
    left join newest_addresses
        on
            keyed.named_key = newest_addresses.contact_key
            and keyed.channel_key is null

),

-- Whom Klaviyo has deleted begins anew: what they gave before the sweep that found out counts no more.
yours as (

    select
        found.statement_ref,
        'statements' as origin,
        coalesce(profiles.profile_id, found.stated_profile_id) as profile_id,
        found.channel,
        found.list_id,
        case when coalesce(consent_methods.block, 'none') = 'none' then found.said else 'blocked' end as said,
        nullif(consent_methods.block, 'none') as block,
        coalesce(consent_methods.stated_by, 'person') as stated_by,
        found.source,
        found.method,
        found.form_id,
        found.form_version,
        found.proof,
        coalesce(found.email, profiles.email, found.told_email) as email,
        coalesce(found.phone_number, profiles.phone_number, found.told_phone_number) as phone_number,
        found.stated_at,
        cast(null as {{ lf_type('timestamp') }}) as changed_at,
        false as is_past

    from found
    cross join last_sweep
    left join consent_methods
        on
            found.method_key = consent_methods.method
            and (found.said = 'withdrawn' or consent_methods.block = 'none')
    left join profile_keys on found.contact_key = profile_keys.contact_key
    left join profile_keys as told_keys on found.told_key = told_keys.contact_key
    left join profiles on coalesce(profile_keys.profile_id, told_keys.profile_id) = profiles.profile_id
    where
        found.said = 'withdrawn'
        or (
            (profile_keys.contact_key is null or profile_keys.profile_id is not null)
            and (told_keys.contact_key is null or told_keys.profile_id is not null)
        )
        or last_sweep.snapshot_at is null
        or found.received_at > last_sweep.snapshot_at

),

-- Who subscribed by a form of Klaviyo's did so themselves; of other subscriptions that is not told here. Whoever withdrew one, it is withdrawn. Of a profile that is gone no more than that counts.
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
        consent_log.occurred_at as stated_at,
        consent_log.occurred_at as changed_at,
        false as is_past

    from consent_log
    inner join profiles on consent_log.profile_id = profiles.profile_id
    left join profiles_gone on consent_log.profile_id = profiles_gone.profile_id
    where
        consent_log.channel <> 'list'
        and (profiles_gone.profile_id is null or consent_log.change not in ('subscribed', 'unsuppressed'))
        and (
            consent_log.change in ('subscribed', 'unsubscribed', 'marked_spam', 'suppressed', 'unsuppressed')
            or (consent_log.change = 'bounced' and lower(consent_log.failure_type) = 'hard' and consent_log.channel = 'email')
        )

),

-- What a profile showed once was said all the same: an import that took its place does not beat the person. A withdrawal without a time was said before it was read.
past as (

    select
        {{ lf_consent_ref('consent_shown') }} as statement_ref,
        consent_shown.profile_id,
        consent_shown.channel,
        consent_shown.list_id,
        consent_shown.said,
        consent_shown.block,
        consent_shown.method,
        consent_shown.source,
        consent_shown.form_id,
        consent_shown.form_version,
        case when consent_shown.said = 'withdrawn' then coalesce(consent_shown.stated_at, consent_shown.recorded_at) else consent_shown.stated_at end as stated_at,
        cast(null as {{ lf_type('timestamp') }}) as changed_at,
        true as is_past

    from consent_shown
    left join consent_held
        on
            consent_shown.profile_id = consent_held.profile_id
            and {{ lf_consent_ref('consent_shown') }} = {{ lf_consent_ref('consent_held') }}
    where
        consent_shown.said in ('given', 'withdrawn')
        and consent_held.profile_id is null

),

shown as (

    select
        {{ lf_consent_ref('consent_held') }} as statement_ref,
        profile_id,
        channel,
        list_id,
        said,
        block,
        method,
        source,
        form_id,
        form_version,
        stated_at,
        changed_at,
        false as is_past
    from consent_held

    union all

    select * from past

),

-- What a profile that is gone withdrew holds, what it gave does not.
held as (

    select
        shown.statement_ref,
        'klaviyo_profiles' as origin,
        shown.profile_id,
        shown.channel,
        shown.list_id,
        shown.said,
        shown.block,
        case
            when shown.said = 'withdrawn' or shown.form_id is not null then 'person'
            else coalesce(consent_methods.stated_by, 'unknown')
        end as stated_by,
        shown.source,
        shown.method,
        shown.form_id,
        shown.form_version,
        cast(null as {{ lf_type('json') }}) as proof,
        profiles.email,
        profiles.phone_number,
        shown.stated_at,
        shown.changed_at,
        shown.is_past

    from shown
    inner join profiles on shown.profile_id = profiles.profile_id
    left join profiles_gone on shown.profile_id = profiles_gone.profile_id
    left join consent_methods on {{ lf_consent_method('shown.method') }} = consent_methods.method
    where
        shown.said <> 'given'
        or profiles_gone.profile_id is null

),

given_to as (

    select
        {{ lf_md5('coalesce(channel_key, told_key)') }} as address_digest,
        min(coalesce(email, told_email)) as email,
        min(coalesce(phone_number, told_phone_number)) as phone_number
    from found
    where
        said = 'given'
        and channel <> 'push'
    group by coalesce(channel_key, told_key)

),

withdrawn as (

    select
        {{ lf_consent_ref('consent_shown') }} as statement_ref,
        'klaviyo_profiles' as origin,
        profile_id,
        channel,
        list_id,
        source,
        method,
        address_digest,
        coalesce(stated_at, recorded_at) as stated_at,
        cast(null as {{ lf_type('timestamp') }}) as changed_at
    from consent_shown
    where said = 'withdrawn'

    union all

    select
        'event:' || change_id as statement_ref,
        'klaviyo_events' as origin,
        profile_id,
        channel,
        cast(null as {{ lf_type('varchar') }}) as list_id,
        cast(null as {{ lf_type('varchar') }}) as source,
        case when change = 'marked_spam' then 'spam_complaint' end as method,
        address_digest,
        occurred_at as stated_at,
        occurred_at as changed_at
    from consent_log
    where change in ('unsubscribed', 'marked_spam')

),

-- What somebody withdrew holds for the address that they had then, also when their profile has another by now: else an older consent of yours would be sent for it.
left_behind as (

    select
        withdrawn.statement_ref || ':then' as statement_ref,
        withdrawn.origin,
        cast(null as {{ lf_type('varchar') }}) as profile_id,
        withdrawn.channel,
        withdrawn.list_id,
        'withdrawn' as said,
        cast(null as {{ lf_type('varchar') }}) as block,
        'person' as stated_by,
        withdrawn.source,
        withdrawn.method,
        cast(null as {{ lf_type('varchar') }}) as form_id,
        cast(null as {{ lf_type('varchar') }}) as form_version,
        cast(null as {{ lf_type('json') }}) as proof,
        given_to.email,
        given_to.phone_number,
        withdrawn.stated_at,
        withdrawn.changed_at,
        true as is_past

    from withdrawn
    inner join given_to on withdrawn.address_digest = given_to.address_digest
    left join profiles on withdrawn.profile_id = profiles.profile_id
    where coalesce({{ lf_address_digest('withdrawn.channel', 'profiles') }}, '') <> withdrawn.address_digest

),

together as (

    select * from yours

    union all

    select * from changed

    union all

    select * from held

    union all

    select * from left_behind

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

        ---------- booleans
        is_past,

        ---------- documents
        proof,

        ---------- timestamps
        stated_at,
        coalesce(
            {{ lf_whole_second('stated_at') }},
            cast(case when said = 'given' then '1970-01-01 00:00:00' else '9999-12-31 00:00:00' end as {{ lf_type('timestamp') }})
        ) as stated_second,
        {{ lf_whole_second('changed_at') }} as changed_second

    from together

),

keep_addressed as (

    select * from addressed
    where identifier is not null

)

select * from keep_addressed
