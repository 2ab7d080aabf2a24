with

source as (

    select * from {{ lf_source('contents', 'profile_contents') }}

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
