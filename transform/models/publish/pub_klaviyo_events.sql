{%- set metric_names = {
    'placed': 'Placed Order', 'cancelled': 'Cancelled Order', 'refunded': 'Refunded Order', 'fulfilled': 'Fulfilled Order',
} -%}
{%- set line_names = {
    'product_id': 'ProductID', 'variant_id': 'VariantID', 'sku': 'SKU', 'name': 'ProductName', 'variant': 'VariantName', 'brand': 'Brand', 'quantity': 'Quantity',
    'price': 'ItemPrice', 'total': 'RowTotal', 'url': 'ProductURL', 'image_url': 'ImageURL',
} -%}
{%- set order_names = {
    'number': 'OrderNumber', 'url': 'OrderURL', 'reason': 'Reason', 'discount': 'DiscountValue', 'discount_codes': 'DiscountCodes', 'shipping': 'Shipping', 'tax': 'Tax',
    'billing_address': 'BillingAddress', 'shipping_address': 'ShippingAddress',
} -%}

with

all_orders as (

    select * from {{ ref('stg_inbox__orders') }}

),

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

klaviyo_events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

definitions as (

    select * from {{ ref('stg_forwarding__definitions') }}

),

decided as (

    select * from {{ ref('int_forwarding_decided') }}

),

-- A file that says what becomes of orders says all of it.
ruled_orders as (

    select 1 as found
    from definitions
    where
        source_table = 'orders'
        and status = 'live'

),

orders as (

    select
        pushed_contacts.statement_ref as order_ref,
        all_orders.shop || ':' || all_orders.order_id as business_key,
        all_orders.order_id,
        all_orders.event,
        pushed_contacts.external_id,
        pushed_contacts.email,
        pushed_contacts.phone_number,
        all_orders.value,
        {{ lf_text_of_pattern('upper(trim(all_orders.currency))', '[A-Z]{3}') }} as currency,
        all_orders.lines,
        all_orders.customer,
        all_orders.details,
        all_orders.occurred_at

    from all_orders
    inner join pushed_contacts
        on pushed_contacts.statement_ref = 'order:' || all_orders.shop || ':' || all_orders.order_id || ':' || all_orders.event
    where
        all_orders.event in ('{{ metric_names | join("', '") }}')
        and all_orders.occurred_at > cast('1991-01-01' as {{ lf_type('timestamp') }})
        and all_orders.occurred_at < {{ lf_dateadd('day', 365, lf_now()) }}
        and not exists (select 1 from ruled_orders)

),

line_documents as (

    {{ lf_json_elements('orders', 'order_ref', 'lines', 'line') }}

),

line_keys as (

    select
        order_ref,
        line,
        coalesce(
            {{ lf_json_text('line', 'line_id') }}, {{ lf_json_text('line', 'variant_id') }}, {{ lf_json_text('line', 'sku') }},
            {{ lf_json_text('line', 'product_id') }}, {{ lf_json_text('line', 'name') }}, ''
        ) as line_key
    from line_documents

),

-- By what is the same whenever the order is sent, in whatever order its lines then are.
number_lines as (

    select
        *,
        row_number() over (partition by order_ref order by line_key, {{ lf_json_serialized('line') }}) as place,
        row_number() over (partition by order_ref, line_key order by {{ lf_json_serialized('line') }}) as repetition
    from line_keys

),

lines as (

    select
        order_ref || '#' || {{ lf_text('place') }} as line_ref,
        order_ref,
        place,
        line_key || case when repetition > 1 then ':' || {{ lf_text('repetition') }} else '' end as line_key,
        {{ lf_json_text('line', 'name') }} as name,
        coalesce(
            {{ lf_money(lf_json_text('line', 'total')) }},
            {{ lf_money(lf_json_text('line', 'price')) }} * coalesce({{ lf_money(lf_json_text('line', 'quantity')) }}, 1)
        ) as value,
        line
    from number_lines

),

line_names as (

    {% for told_as, name in line_names.items() -%}
    select
        '{{ told_as }}' as told_as,
        '{{ name }}' as name
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

order_names as (

    {% for told_as, name in order_names.items() -%}
    select
        '{{ told_as }}' as told_as,
        '{{ name }}' as name
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

line_entries as (

    {{ lf_json_entries('lines', 'line_ref', 'line', 'line_names', 'told_as') }}

),

line_properties as (

    select
        line_entries.line_ref,
        line_names.name,
        line_entries.value

    from line_entries
    inner join line_names on line_entries.told_as = line_names.told_as
    where not {{ lf_json_is_null('line_entries.value') }}

),

items as (

    select
        line_ref,
        {{ lf_json_object_agg('name', 'value') }} as item
    from line_properties
    group by line_ref

),

order_items as (

    select
        lines.order_ref,
        {{ lf_json_values_agg('items.item', 'lines.place') }} as items,
        {{ lf_json_array_agg('lines.name', condition='lines.name is not null') }} as item_names

    from lines
    inner join items on lines.line_ref = items.line_ref
    group by lines.order_ref

),

detail_entries as (

    {{ lf_json_entries('orders', 'order_ref', 'details', 'order_names', 'told_as') }}

),

customer_entries as (

    {{ lf_json_entries('orders', 'order_ref', 'customer', 'order_names', 'told_as') }}

),

order_entries as (

    select
        order_ref,
        told_as,
        value
    from detail_entries
    where told_as not in ('billing_address', 'shipping_address')

    union all

    select
        order_ref,
        told_as,
        value
    from customer_entries
    where told_as in ('billing_address', 'shipping_address')

),

properties as (

    select
        order_entries.order_ref as event_ref,
        order_names.name,
        order_entries.value

    from order_entries
    inner join order_names on order_entries.told_as = order_names.told_as
    where not {{ lf_json_is_null('order_entries.value') }}

    union all

    select
        order_ref as event_ref,
        'Items' as name,
        items as value
    from order_items

    union all

    select
        order_ref as event_ref,
        'ItemNames' as name,
        item_names as value
    from order_items
    where item_names is not null

    union all

    select
        order_ref as event_ref,
        'OrderId' as name,
        {{ lf_json_string('order_id') }} as value
    from orders

    union all

    select
        lines.line_ref as event_ref,
        'OrderId' as name,
        {{ lf_json_string('orders.order_id') }} as value

    from lines
    inner join orders on lines.order_ref = orders.order_ref

    union all

    select
        line_ref as event_ref,
        case when name = 'Brand' then 'ProductBrand' else name end as name,
        value
    from line_properties

),

event_properties as (

    select
        event_ref,
        {{ lf_json_object_agg('name', 'value') }} as properties
    from properties
    group by event_ref

),

earliest as (

    select min(occurred_at) as occurred_at from orders
    having count(*) > 0

),

-- What was given back of an order before may be of any time.
held as (

    select
        metrics.metric_name,
        klaviyo_events.unique_id,
        klaviyo_events.order_id,
        klaviyo_events.value

    from klaviyo_events
    inner join metrics on klaviyo_events.metric_id = metrics.metric_id
    inner join earliest
        on
            klaviyo_events.occurred_at >= {{ lf_dateadd('second', -1, 'earliest.occurred_at') }}
            or metrics.metric_name = 'Refunded Order'
    where metrics.metric_name in ('Ordered Product', '{{ metric_names.values() | join("', '") }}')

),

refunds_held as (

    select
        orders.order_ref,
        sum(held.value) as value

    from orders
    inner join held
        on
            orders.order_id = held.order_id
            and substr(held.unique_id, 1, length(orders.business_key) + 1) = orders.business_key || ':'
    where
        orders.event = 'refunded'
        and held.metric_name = 'Refunded Order'
    group by orders.order_ref

),

-- A refund says all that was given back until then, and what Klaviyo holds cannot be corrected: the rest is an event of its own.
order_events as (

    select
        orders.order_ref as event_ref,
        orders.order_ref,
        case orders.event
            {%- for event, name in metric_names.items() %}
            when '{{ event }}' then '{{ name }}'
            {%- endfor %}
        end as metric,
        orders.business_key
        || case
            when orders.event = 'refunded' then ':' || coalesce({{ lf_text('cast(round(orders.value * 100) as bigint)') }}, '')
            else ''
        end as unique_id,
        case
            when orders.event = 'refunded' then round((orders.value - coalesce(refunds_held.value, 0)) * 100) / 100
            else orders.value
        end as value

    from orders
    left join refunds_held on orders.order_ref = refunds_held.order_ref
    where
        refunds_held.value is null
        or orders.value - refunds_held.value > 0.005

),

line_events as (

    select
        lines.line_ref as event_ref,
        lines.order_ref,
        'Ordered Product' as metric,
        orders.business_key || ':' || lines.line_key as unique_id,
        lines.value

    from lines
    inner join items on lines.line_ref = items.line_ref
    inner join orders on lines.order_ref = orders.order_ref
    where orders.event = 'placed'

),

events as (

    select * from order_events

    union all

    select * from line_events

),

keep_unknown as (

    select
        events.metric,
        cast(null as {{ lf_type('varchar') }}) as profile_id,
        case when orders.email is null and orders.phone_number is null then orders.external_id end as external_id,
        orders.email,
        case when orders.email is null then orders.phone_number end as phone_number,
        orders.occurred_at as time,
        events.unique_id,
        events.value,
        case when events.value is not null then orders.currency end as value_currency,
        event_properties.properties,
        {% if lf_variable('order_events_trigger_flows') -%}
        orders.occurred_at < {{ lf_dateadd('day', -1, lf_now()) }}
        {%- else -%}
        true
        {%- endif %} as backfill

    from events
    inner join orders on events.order_ref = orders.order_ref
    inner join event_properties on events.event_ref = event_properties.event_ref
    where not exists (
        select 1
        from held
        where
            held.metric_name = events.metric
            and held.unique_id = events.unique_id
    )

),

forwarded as (

    select
        metric,
        {% for name in ('profile_id', 'external_id', 'email', 'phone_number') -%}
        case when identified_by = '{{ name }}' then identifier end as {{ name }},
        {% endfor -%}
        occurred_at as time,
        unique_id,
        value,
        case when value is not null then currency end as value_currency,
        coalesce(properties, {{ lf_json_of_text("'{}'") }}) as properties,
        is_backfill as backfill
    from decided
    where decision = 'forwarded'

),

told as (

    select * from keep_unknown

    union all

    select * from forwarded

)

select * from told
