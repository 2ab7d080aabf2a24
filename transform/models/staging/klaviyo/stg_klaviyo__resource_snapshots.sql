with

source as (

    select * from {{ lf_source('klaviyo', 'membership_snapshots') }}

),

renamed as (

    select
        ---------- texts
        group_id as stream_name,

        ---------- numerics
        cast(member_count as bigint) as resource_count,

        ---------- timestamps
        snapshot_at

    from source
    where group_type = 'account' -- members of lists and segments are told in the same table

)

select * from renamed
