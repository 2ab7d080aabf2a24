with

source as (

    select * from {{ lf_source('klaviyo', 'segment_memberships') }}

),

renamed as (

    select
        ---------- ids
        segment_id,
        profile_id,

        ---------- timestamps
        joined_group_at as joined_at,
        snapshot_at

    from source

)

select * from renamed
