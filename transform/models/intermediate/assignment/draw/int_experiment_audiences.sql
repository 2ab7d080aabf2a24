with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

account_groups as (

    select * from {{ ref('int_account_groups') }}

),

flow_requests as (

    select * from {{ ref('stg_inbox__flow_requests') }}

),

-- A flow names the experiment by the address that it calls. It is found once it has called.
count_requests as (

    select
        experiments.experiment_key,
        count(distinct flow_requests.profile_id) as member_count,
        max(flow_requests.received_at) as snapshot_at
    from experiments
    left join flow_requests on experiments.experiment_key = flow_requests.experiment_key
    where experiments.audience_type = 'flow'
    group by experiments.experiment_key

),

experiments_of_groups as (

    select *
    from experiments
    where audience_type <> 'flow'

),

find_group as (

    {{ lf_find_group('experiments_of_groups', ['experiment_key'], 'audience_type', 'audience', 'account_groups') }}

),

joined as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.audience_type as group_type,
        case when experiments.audience_type = 'flow' then experiments.experiment_key else find_group.group_id end as group_id,

        ---------- texts
        experiments.audience,
        experiments.status,
        case
            when experiments.audience_type <> 'flow' then find_group.resolution
            when count_requests.snapshot_at is null then 'not_read'
            else 'found'
        end as resolution,

        ---------- numerics
        coalesce(count_requests.member_count, find_group.member_count) as member_count,

        ---------- timestamps
        coalesce(count_requests.snapshot_at, find_group.snapshot_at) as snapshot_at

    from experiments
    left join find_group on experiments.experiment_key = find_group.experiment_key
    left join count_requests on experiments.experiment_key = count_requests.experiment_key

)

select * from joined
