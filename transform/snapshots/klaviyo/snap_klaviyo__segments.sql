{% snapshot snap_klaviyo__segments %}

{{
    config(
        enabled=lf_keeps_history('segments'),
        unique_key='segment_id',
        strategy='check',
        check_cols=['segment_name', 'is_active', 'created_at', 'updated_at'],
    )
}}

with

segments as (

    select * from {{ ref('stg_klaviyo__segments') }}

),

resources_gone as (

    select * from {{ ref('int_resources_gone') }}

),

held as (

    {{ lf_keep_held('segments', 'segment_id', 'segments', 'resources_gone') }}

)

select * from held

{% endsnapshot %}
