{%- set files = lf_forwarding_files(ref('stg_forwarding__definitions'), ref('stg_forwarding__rules')) if lf_forwarding_is_run() else none -%}
{%- set tables = {
    'site_events': "(select message_id, coalesce(type, 'track') as type, received_at from " ~ ref('stg_inbox__site_events') ~ ")",
    'orders': "(select shop || ':' || order_id || ':' || event as message_id, 'track' as type, received_at from " ~ ref('stg_inbox__orders') ~ ")",
} -%}
{%- set others, rows = {}, {} -%}
{%- for file in files or [] -%}
    {%- set query = none if file.table else lf_forwarding_rows(file) -%}
    {%- do others.update({file.key: query}) if query -%}
    {%- do rows.update({file.key: query or tables[file.table]}) if query or file.table in tables -%}
{%- endfor -%}
{%- set moments = lf_forwarding_moments(files or [], rows, ref('int_forwarding_former')) -%}
{%- set order_columns = {
    'source': 'shop', 'order_id': 'order_id', 'external_id': 'external_id', 'event': 'event', 'email': 'email', 'phone_number': 'phone_number', 'currency': 'currency',
} -%}

with

site_events as (

    select * from {{ ref('stg_inbox__site_events') }}

),

orders as (

    select * from {{ ref('stg_inbox__orders') }}

),

definitions as (

    select * from {{ ref('stg_forwarding__definitions') }}

),

rules as (

    select * from {{ ref('stg_forwarding__rules') }}

),

former as (

    select * from {{ ref('int_forwarding_former') }}

),

incoming as (

    select
        definitions.definition_key,
        site_events.message_id,
        coalesce(site_events.type, 'track') as type,
        site_events.event,
        site_events.user_id,
        site_events.anonymous_id,
        site_events.properties,
        site_events.context,
        site_events.occurred_at,
        site_events.received_at,
        {{ lf_forwarding_is_read('site_events', files, moments, 'site_events.received_at') }} as is_read

    from site_events
    inner join definitions on definitions.source_table = 'site_events'
    where {{ lf_forwarding_is_read('site_events', files, moments, 'site_events.received_at', counts=true) }}

    union all

    -- What a shop sends to try the webhook out is nobody's.
    select
        definitions.definition_key,
        orders.shop || ':' || orders.order_id || ':' || orders.event as message_id,
        'track' as type,
        orders.event,
        orders.external_id as user_id,
        cast(null as {{ lf_type('varchar') }}) as anonymous_id,
        {{ lf_json_object_of_texts(order_columns, {'value': lf_text('orders.value'), 'lines': lf_json_serialized('orders.lines'), 'customer': lf_json_serialized('orders.customer'), 'details': lf_json_serialized('orders.details')}) }} as properties,
        cast(null as {{ lf_type('json') }}) as context,
        orders.occurred_at,
        orders.received_at,
        {{ lf_forwarding_is_read('orders', files, moments, 'orders.received_at') }} as is_read

    from orders
    inner join definitions on definitions.source_table = 'orders'
    where
        {{ lf_forwarding_is_read('orders', files, moments, 'orders.received_at', counts=true) }}
        and not coalesce({{ lf_json_is_true('orders.details', 'test') }}, false)
    {%- for key, query in others.items() %}

    union all

    select
        definition_key,
        message_id,
        type,
        event,
        user_id,
        anonymous_id,
        properties,
        context,
        occurred_at,
        received_at,
        {{ lf_forwarding_is_of(moments[key], 'received_at') }} as is_read
    from {{ query }} as rows_of_{{ loop.index }}
    where {{ lf_forwarding_is_of(moments[key], 'received_at', counts=true) }}
    {%- endfor %}

),

decided_again as (

    select distinct event_ref
    from former
    where is_decided_again

),

-- A message that comes again is the same, whatever it says by then.
number_copies as (

    select
        *,
        definition_key || ':' || message_id as event_ref,
        nullif(trim(user_id), '') as trimmed_user_id,
        nullif(trim(anonymous_id), '') as trimmed_anonymous_id,
        row_number() over (
            partition by definition_key, message_id
            order by received_at, occurred_at, {{ lf_json_serialized('properties') }}
        ) as copy
    from incoming
    where
        message_id is not null
        and occurred_at is not null
        and type in ('track', 'page', 'screen', 'identify', 'group')

),

-- Of a visitor that has no id nothing is counted.
first_copies as (

    select
        *,
        case
            when coalesce(trimmed_anonymous_id, trimmed_user_id) is not null
                then count(*) over (
                    partition by definition_key, coalesce(trimmed_anonymous_id, trimmed_user_id), {{ dbt.date_trunc('minute', 'occurred_at') }}
                )
        end as events_in_minute
    from number_copies
    where copy = 1

),

-- What the ledger has is decided, whenever that copy came, but for what is to be decided anew.
told as (

    select distinct event_ref
    from {{ lf_forwarding_told() }}
    where
        {{ lf_is_sent_still('decided_at') }}
        and event_ref in (select first_copies.event_ref from first_copies)

),

read_events as (

    select
        ---------- ids
        first_copies.event_ref,
        first_copies.definition_key,
        first_copies.message_id,
        first_copies.trimmed_user_id as user_id,
        first_copies.trimmed_anonymous_id as anonymous_id,

        ---------- texts
        first_copies.type,
        first_copies.event,

        ---------- documents
        first_copies.properties,
        first_copies.context,

        ---------- numerics
        first_copies.events_in_minute,

        ---------- timestamps
        first_copies.occurred_at,
        first_copies.received_at

    from first_copies
    left join told on first_copies.event_ref = told.event_ref
    left join decided_again on first_copies.event_ref = decided_again.event_ref
    where
        first_copies.is_read
        and (told.event_ref is null or decided_again.event_ref is not null)

)

select * from read_events
