{% snapshot snap_klaviyo__lists %}

{{
    config(
        enabled=lf_keeps_history('lists'),
        unique_key='list_id',
        strategy='check',
        check_cols=['list_name', 'opt_in_process', 'created_at', 'updated_at'],
    )
}}

with

lists as (

    select * from {{ ref('stg_klaviyo__lists') }}

),

resources_gone as (

    select * from {{ ref('int_resources_gone') }}

),

held as (

    {{ lf_keep_held('lists', 'list_id', 'lists', 'resources_gone') }}

)

select * from held

{% endsnapshot %}
