with

source as (

    select * from {{ source('contents', 'profile_contents') }}

),

renamed as (

    select
        ---------- ids
        profile_id,

        ---------- texts
        property,
        content,

        ---------- timestamps
        made_at

    from source

)

select * from renamed
