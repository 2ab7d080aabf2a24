{%- set ids = {
    'lists': 'list_id',
    'segments': 'segment_id',
    'templates': 'template_id',
    'campaigns': 'campaign_id',
    'campaign_messages': 'message_id',
    'flows': 'flow_id',
} -%}
with

readings as (

    select * from {{ ref('int_resource_readings') }}

),

resource_ids as (

    select * from {{ ref('stg_klaviyo__resource_ids') }}

),

lists as (

    select * from {{ ref('stg_klaviyo__lists') }}

),

segments as (

    select * from {{ ref('stg_klaviyo__segments') }}

),

templates as (

    select * from {{ ref('stg_klaviyo__templates') }}

),

campaigns as (

    select * from {{ ref('stg_klaviyo__campaigns') }}

),

campaign_messages as (

    select * from {{ ref('stg_klaviyo__campaign_messages') }}

),

flows as (

    select * from {{ ref('stg_klaviyo__flows') }}

),

combined as (
    {% for stream, id in ids.items() %}
    {{ lf_find_gone(stream, id, 'coalesce(' ~ stream ~ '.updated_at, ' ~ stream ~ '.created_at)', stream, 'readings', 'resource_ids') }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}

)

select * from combined
