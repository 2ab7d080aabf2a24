with

source as (

    select * from {{ lf_source('klaviyo', 'templates') }}

),

renamed as (

    select
        ---------- ids
        id as template_id,

        ---------- texts
        name as template_name,
        editor_type,
        html,
        text,

        ---------- timestamps
        created as created_at,
        updated as updated_at

    from source

)

select * from renamed
