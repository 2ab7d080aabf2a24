{% snapshot snap_klaviyo__campaigns %}

{{
    config(
        enabled=lf_keeps_history('campaigns'),
        unique_key='campaign_id',
        strategy='check',
        check_cols=['campaign_name', 'status', 'channel', 'is_archived', 'created_at', 'scheduled_at', 'updated_at', 'sent_at'],
    )
}}

with

campaigns as (

    select * from {{ ref('stg_klaviyo__campaigns') }}

),

resources_gone as (

    select * from {{ ref('int_resources_gone') }}

),

held as (

    {{ lf_keep_held('campaigns', 'campaign_id', 'campaigns', 'resources_gone') }}

)

select * from held

{% endsnapshot %}
