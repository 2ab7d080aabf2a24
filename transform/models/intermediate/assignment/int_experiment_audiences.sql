with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

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

-- Ids are unique, names are not: an id that matches settles it, a name must match once.
count_matches as (

    select
        experiments.experiment_key,
        max(case when account_groups.group_id = experiments.audience then account_groups.group_id end) as matched_by_id,
        min(account_groups.group_id) as matched_by_name,
        count(account_groups.group_id) as matches

    from experiments
    left join account_groups
        on
            experiments.audience_type = account_groups.group_type
            and (experiments.audience = account_groups.group_id or experiments.audience = account_groups.group_name)
    group by experiments.experiment_key

),

resolve as (

    select
        experiments.experiment_key,
        experiments.audience_type as group_type,
        coalesce(
            count_matches.matched_by_id,
            case when count_matches.matches = 1 then count_matches.matched_by_name end
        ) as group_id,
        experiments.audience,
        experiments.status,
        count_matches.matches

    from experiments
    inner join count_matches on experiments.experiment_key = count_matches.experiment_key

),

add_resolution as (

    select
        ---------- ids
        resolve.experiment_key,
        resolve.group_type,
        resolve.group_id,

        ---------- texts
        resolve.audience,
        resolve.status,
        case
            when resolve.group_id is not null and membership_snapshots.snapshot_at is not null then 'found'
            when resolve.group_id is not null then 'not_read'
            when resolve.matches = 0 then 'not_found'
            else 'ambiguous'
        end as resolution,

        ---------- numerics
        membership_snapshots.member_count,

        ---------- timestamps
        membership_snapshots.snapshot_at

    from resolve
    left join membership_snapshots
        on
            resolve.group_type = membership_snapshots.group_type
            and resolve.group_id = membership_snapshots.group_id

)

select * from add_resolution
