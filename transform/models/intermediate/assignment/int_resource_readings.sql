with

snapshots as (

    select * from {{ ref('stg_klaviyo__resource_snapshots') }}

),

resource_ids as (

    select * from {{ ref('stg_klaviyo__resource_ids') }}

),

-- What it saw is landed before it is told of. A loader that lost part of it must not make the rest of the account vanish.
keep_whole as (

    select
        snapshots.stream_name,
        snapshots.snapshot_at

    from snapshots
    left join resource_ids
        on
            snapshots.stream_name = resource_ids.stream_name
            and snapshots.snapshot_at <= resource_ids.seen_at
    group by snapshots.stream_name, snapshots.snapshot_at, snapshots.resource_count
    having count(resource_ids.resource_id) >= snapshots.resource_count

)

select * from keep_whole
