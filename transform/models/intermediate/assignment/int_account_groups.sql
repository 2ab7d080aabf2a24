with

lists as (

    select * from {{ ref('stg_klaviyo__lists') }}

),

segments as (

    select * from {{ ref('stg_klaviyo__segments') }}

),

membership_snapshots as (

    select * from {{ ref('stg_klaviyo__membership_snapshots') }}

),

resources_gone as (

    select * from {{ ref('int_resources_gone') }}

),

account_groups as (

    select
        'list' as group_type,
        'lists' as stream_name,
        list_id as group_id,
        list_name as group_name
    from lists

    union all

    select
        'segment' as group_type,
        'segments' as stream_name,
        segment_id as group_id,
        segment_name as group_name
    from segments

),

add_members as (

    select
        ---------- ids
        account_groups.group_type,
        account_groups.group_id,

        ---------- texts
        account_groups.group_name,

        ---------- numerics
        membership_snapshots.member_count,

        ---------- timestamps
        membership_snapshots.snapshot_at

    from account_groups
    left join membership_snapshots
        on
            account_groups.group_type = membership_snapshots.group_type
            and account_groups.group_id = membership_snapshots.group_id
    where not exists (
        select 1
        from resources_gone
        where
            resources_gone.stream_name = account_groups.stream_name
            and resources_gone.resource_id = account_groups.group_id
    )

)

select * from add_members
