with

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

metric as (

    select
        ---------- ids
        metric_id as id,
        integration_id,

        ---------- texts
        metric_name as name,
        integration_name,
        integration_category,

        ---------- timestamps
        created_at as created,
        updated_at as updated,
        coalesce(landed_at, updated_at) as _fivetran_synced

    from metrics

)

select * from metric
