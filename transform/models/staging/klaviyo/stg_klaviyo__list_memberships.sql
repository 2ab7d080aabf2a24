with

source as (

    select * from {{ lf_source('klaviyo', 'list_memberships') }}

),

renamed as (

    select
        ---------- ids
        list_id,
        profile_id,

        ---------- timestamps
        joined_group_at as joined_at,
        snapshot_at

    from source

)

select * from renamed
