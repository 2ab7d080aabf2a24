with

source as (

    select * from {{ lf_source('klaviyo', 'flows') }}

),

renamed as (

    select
        ---------- ids
        id as flow_id,

        ---------- texts
        name as flow_name,
        status,
        trigger_type,

        ---------- booleans
        archived as is_archived,

        ---------- timestamps
        created as created_at,
        updated as updated_at,
        _sdc_batched_at as landed_at

    from source

)

select * from renamed
