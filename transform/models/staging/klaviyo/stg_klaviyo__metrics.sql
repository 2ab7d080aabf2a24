with

source as (

    select * from {{ lf_source('klaviyo', 'metrics') }}

),

renamed as (

    select
        ---------- ids
        id as metric_id,

        ---------- texts
        name as metric_name,
        coalesce({{ lf_json_text('integration', 'key') }}, '') as integration_key,

        ---------- timestamps
        created as created_at,
        updated as updated_at

    from source

)

select * from renamed
