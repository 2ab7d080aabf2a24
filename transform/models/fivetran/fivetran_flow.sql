with

flows as (

    select * from {{ ref('stg_klaviyo__flows') }}

),

flow as (

    select
        ---------- ids
        flow_id as id,

        ---------- texts
        flow_name as name,
        status,
        trigger_type,

        ---------- booleans
        is_archived as archived,

        ---------- timestamps
        created_at as created,
        updated_at as updated,
        coalesce(landed_at, updated_at) as _fivetran_synced

    from flows

)

select * from flow
