with

source as (

    select * from {{ lf_source('klaviyo', 'membership_snapshots') }}

),

renamed as (

    select
        ---------- ids
        group_type,
        group_id,

        ---------- numerics
        cast(member_count as bigint) as member_count,

        ---------- timestamps
        snapshot_at

    from source
    where group_type in ('list', 'segment') -- sweeps through the whole account are told in the same table

)

select * from renamed
