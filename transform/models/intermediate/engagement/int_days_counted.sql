{{
    config(
        materialized='incremental',
        incremental_strategy=lf_replace_strategy(),
        unique_key='occurred_on',
        partition_by=lf_replace_partition(['occurred_on']),
        on_schema_change='fail',
        pre_hook=["{{ lf_after(ref('int_engagement_days')) }}", "{{ lf_delete_rows(this, '1 = 1') }}"],
    )
}}

with

classified as (

    select * from {{ ref('int_events_classified') }}

),

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

counted as (

    {{ lf_counted_days('classified', 'events') }}

)

select * from counted
