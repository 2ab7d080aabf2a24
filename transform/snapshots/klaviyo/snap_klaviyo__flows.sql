{% snapshot snap_klaviyo__flows %}

{{
    config(
        enabled=lf_keeps_history('flows'),
        unique_key='flow_id',
        strategy='check',
        check_cols=['flow_name', 'status', 'trigger_type', 'is_archived', 'created_at', 'updated_at'],
    )
}}

with

flows as (

    select * from {{ ref('stg_klaviyo__flows') }}

),

resources_gone as (

    select * from {{ ref('int_resources_gone') }}

),

held as (

    {{ lf_keep_held('flows', 'flow_id', 'flows', 'resources_gone') }}

)

select * from held

{% endsnapshot %}
