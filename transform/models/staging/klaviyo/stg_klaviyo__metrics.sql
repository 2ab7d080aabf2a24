with

source as (

    select * from {{ lf_source('klaviyo', 'metrics') }}

),

renamed as (

    select
        ---------- ids
        id as metric_id,
        {{ lf_json_text('integration', 'id') }} as integration_id,

        ---------- texts
        name as metric_name,
        coalesce({{ lf_json_text('integration', 'key') }}, '') as integration_key,
        {{ lf_json_text('integration', 'name') }} as integration_name,
        coalesce(
            {{ lf_json_text_in('integration', ['category', 'name']) }},
            {{ lf_json_text('integration', 'category') }}
        ) as integration_category,

        ---------- timestamps
        created as created_at,
        updated as updated_at,
        _sdc_batched_at as landed_at

    from source

)

select * from renamed
