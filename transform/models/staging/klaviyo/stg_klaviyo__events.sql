{%- set properties = lf_event_properties('event_properties') -%}
{%- set columns = 'id, uuid, datetime, event_properties, profile_id, metric_id, _sdc_batched_at' -%}

with

polled as (

    select {{ columns }}, {{ lf_json_array('attributions') }} as attributions from {{ lf_source('klaviyo', 'events') }}

),

-- Not the step above: what two steps read, a warehouse may keep, and these are all events.
polled_ids as (

    select id from {{ lf_source('klaviyo', 'events') }}

),

pushed as (

    select {{ columns }}, cast(null as {{ lf_type('json') }}) as attributions from {{ lf_source('inbox', 'pushed_events') }}

),

-- A webhook repeats what was true when it was made. So what was polled counts, whichever was loaded later.
source as (

    select * from polled

    union all

    select * from pushed
    where not exists (
        select 1
        from polled_ids
        where polled_ids.id = pushed.id
    )

),

renamed as (

    select
        ---------- ids
        id as event_id,
        profile_id,
        metric_id,
        uuid,
        {{ lf_json_text('event_properties', '$event_id') }} as unique_id,
        {{ lf_json_text('event_properties', '$message') }} as message_id,
        {{ lf_json_if_named('event_properties', '$flow', lf_json_text('event_properties', '$flow')) }} as flow_id,
        {{ lf_json_if_named('event_properties', '$variation', lf_json_text('event_properties', '$variation')) }} as variation_id,
        {{ lf_json_if_named('event_properties', 'lf_cid', lf_cid(lf_json_text('event_properties', 'URL'))) }} as cid,
        {{ properties.order_id }} as order_id,

        ---------- texts
        coalesce(
            {{ lf_json_if_named('event_properties', 'Bounce Type', lf_json_text('event_properties', 'Bounce Type')) }},
            {{ lf_json_if_named('event_properties', 'Failure Type', lf_json_text('event_properties', 'Failure Type')) }}
        ) as failure_type,
        {{ lf_json_if_named('event_properties', 'List', lf_json_text('event_properties', 'List')) }} as list_name,
        {{ lf_json_if_named('event_properties', 'form_id', lf_json_text('event_properties', 'form_id')) }} as form_id,
        {{ properties.currency }} as currency,
        {{ properties.url }} as url,
        {%- for column, key in {'client_type': 'Client Type', 'client_os_family': 'Client OS Family'}.items() %}
        {{ lf_json_if_named('event_properties', key, lf_json_text('event_properties', key)) }} as {{ column }},
        {%- endfor %}

        ---------- documents
        event_properties,
        attributions,

        ---------- numerics
        {{ lf_json_if_named('event_properties', '$value', lf_money(lf_json_text('event_properties', '$value'))) }} as value,

        ---------- booleans
        {{ properties.is_machine_open }} as is_machine_open,
        {{ properties.is_bot_click }} as is_bot_click,

        ---------- timestamps
        datetime as occurred_at,
        _sdc_batched_at as landed_at

    from source

)

select * from renamed
