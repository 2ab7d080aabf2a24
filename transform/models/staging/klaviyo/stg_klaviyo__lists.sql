with

source as (

    select * from {{ lf_source('klaviyo', 'lists') }}

),

renamed as (

    select
        ---------- ids
        id as list_id,

        ---------- texts
        name as list_name,
        opt_in_process,

        ---------- timestamps
        created as created_at,
        updated as updated_at

    from source

)

select * from renamed
