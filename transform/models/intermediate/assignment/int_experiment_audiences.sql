with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

account_groups as (

    select * from {{ ref('int_account_groups') }}

),

find_group as (

    {{ lf_find_group('experiments', ['experiment_key'], 'audience_type', 'audience', 'account_groups') }}

),

joined as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.audience_type as group_type,
        find_group.group_id,

        ---------- texts
        experiments.audience,
        experiments.status,
        find_group.resolution,

        ---------- numerics
        find_group.member_count,

        ---------- timestamps
        find_group.snapshot_at

    from experiments
    inner join find_group on experiments.experiment_key = find_group.experiment_key

)

select * from joined
