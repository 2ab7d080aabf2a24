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

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

readings as (

    select * from {{ ref('int_resource_readings') }}

),

resource_ids as (

    select * from {{ ref('stg_klaviyo__resource_ids') }}

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

asked_profiles as (

    select profiles.*
    from profiles
    where exists (
        select 1
        from flow_requests
        where flow_requests.profile_id = profiles.profile_id
    )

),

asked_gone as (

    {{ lf_find_gone('asked_profiles', 'profile_id', 'coalesce(asked_profiles.updated_at, asked_profiles.created_at)', 'profiles', 'readings', 'resource_ids') }}

),

-- A flow asks for one profile at a time, for the experiment that its address names. Nobody leaves it but who leaves the account.
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
        flow_requests.experiment_key as group_id,
        flow_requests.profile_id,
        min(flow_requests.received_at) as joined_at
    from flow_requests
    left join asked_gone on flow_requests.profile_id = asked_gone.resource_id
    where asked_gone.resource_id is null
    group by flow_requests.experiment_key, flow_requests.profile_id

)

select * from add_flows
