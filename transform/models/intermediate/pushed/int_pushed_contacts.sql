with

orders as (

    select * from {{ ref('stg_inbox__orders') }}

),

consent_statements as (

    select * from {{ ref('stg_inbox__consent_statements') }}

),

request_statements as (

    select * from {{ ref('int_request_statements') }}

),

profile_identifiers as (

    select * from {{ ref('int_profile_identifiers') }}

),

readings as (

    select * from {{ ref('int_resource_readings') }}

),

-- What a shop sends to try the webhook out is nobody's.
stated as (

    select
        'order:' || shop || ':' || order_id || ':' || event as statement_ref,
        false as is_withdrawn,
        cast(null as {{ lf_type('varchar') }}) as stated_profile_id,
        external_id,
        email,
        phone_number,
        customer,
        cast(null as {{ lf_type('json') }}) as contact,
        cast(null as {{ lf_type('json') }}) as properties,
        occurred_at as stated_at,
        received_at
    from orders
    where not coalesce({{ lf_json_is_true('details', 'test') }}, false)

    union all

    select
        'consent:' || statement_id as statement_ref,
        lower(trim(consent)) = 'withdrawn' as is_withdrawn,
        profile_id as stated_profile_id,
        external_id,
        email,
        phone_number,
        cast(null as {{ lf_type('json') }}) as customer,
        contact,
        properties,
        stated_at,
        received_at
    from consent_statements

    union all

    -- Until Klaviyo shows it, however long ago they asked.
    select
        statement_ref,
        true as is_withdrawn,
        profile_id as stated_profile_id,
        cast(null as {{ lf_type('varchar') }}) as external_id,
        email,
        phone_number,
        cast(null as {{ lf_type('json') }}) as customer,
        cast(null as {{ lf_type('json') }}) as contact,
        cast(null as {{ lf_type('json') }}) as properties,
        stated_at,
        {{ lf_now() }} as received_at
    from request_statements
    where is_told

),

cleaned as (

    select
        statement_ref,
        is_withdrawn,
        stated_profile_id,
        nullif(trim(external_id), '') as external_id,
        {{ lf_email_address('email') }} as email,
        {{ lf_phone_number('phone_number') }} as phone_number,
        customer,
        contact,
        properties,
        -- A clock that is ahead must not make a statement the newest for good.
        case when stated_at < received_at then stated_at else coalesce(received_at, stated_at) end as stated_at,
        coalesce(received_at, stated_at) as received_at

    from stated

),

named as (

    select
        *,
        {{ lf_contact_key('email', 'phone_number', 'external_id', 'stated_profile_id') }} as contact_key
    from cleaned

),

profile_keys as (

    {{ lf_profile_keys('select named.contact_key from named') }}

),

last_sweep as (

    select max(snapshot_at) as snapshot_at
    from readings
    where stream_name = 'profiles'

),

-- Whom Klaviyo has deleted is not made again by what came before.
found as (

    select
        ---------- ids
        named.statement_ref,
        named.contact_key,
        profile_keys.profile_id,
        named.external_id,

        ---------- texts
        named.email,
        named.phone_number,

        ---------- booleans
        named.is_withdrawn,

        ---------- documents
        named.customer,
        named.contact,
        named.properties,

        ---------- timestamps
        named.stated_at,
        named.received_at

    from named
    cross join last_sweep
    left join profile_keys on named.contact_key = profile_keys.contact_key
    where
        {{ lf_is_sent_still('named.received_at') }}
        and named.contact_key is not null
        and (
            profile_keys.profile_id is not null
            or (profile_keys.contact_key is null and substr(named.contact_key, 1, 3) <> 'id:')
            or (profile_keys.contact_key is not null and named.received_at > last_sweep.snapshot_at)
        )

)

select * from found
