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

account_groups as (

    select
        'list' as group_type,
        list_id as group_id,
        list_name as group_name
    from lists

    union all

    select
        'segment' as group_type,
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

)

select * from add_members
