with

source as (

    select * from {{ lf_source('klaviyo', 'segments') }}

),

renamed as (

    select
        ---------- ids
        id as segment_id,

        ---------- texts
        name as segment_name,

        ---------- booleans
        is_active,
        is_processing,

        ---------- timestamps
        created as created_at,
        updated as updated_at

    from source

)

select * from renamed
