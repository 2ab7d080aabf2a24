with

list_memberships as (

    select * from {{ ref('stg_klaviyo__list_memberships') }}

),

segment_memberships as (

    select * from {{ ref('stg_klaviyo__segment_memberships') }}

),

membership_snapshots as (

    select * from {{ ref('stg_klaviyo__membership_snapshots') }}

),

flow_requests as (

    select * from {{ ref('stg_inbox__flow_requests') }}

),

memberships as (

    select
        'list' as group_type,
        list_id as group_id,
        profile_id,
        joined_at,
        snapshot_at
    from list_memberships

    union all

    select
        'segment' as group_type,
        segment_id as group_id,
        profile_id,
        joined_at,
        snapshot_at
    from segment_memberships

),

-- A reading that was cut off has touched some rows and left no snapshot: nobody has left until a whole one says so.
current_members as (

    select
        memberships.group_type,
        memberships.group_id,
        memberships.profile_id,
        memberships.joined_at

    from memberships
    inner join membership_snapshots
        on
            memberships.group_type = membership_snapshots.group_type
            and memberships.group_id = membership_snapshots.group_id
            and memberships.snapshot_at >= membership_snapshots.snapshot_at

),

-- A flow asks for one profile at a time, and nobody leaves it: its requests are for the experiment that its address names.
add_flows as (

    select
        group_type,
        group_id,
        profile_id,
        joined_at
    from current_members

    union all

    select
        'flow' as group_type,
        experiment_key as group_id,
        profile_id,
        min(received_at) as joined_at
    from flow_requests
    group by experiment_key, profile_id

)

select * from add_flows
