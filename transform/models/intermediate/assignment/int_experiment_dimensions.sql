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

each_dimension as (

    {{ lf_json_elements('experiments', 'experiment_key', 'dimensions', 'entry') }}

),

read_dimensions as (

    select
        experiment_key,
        {{ lf_json_text('entry', 'dimension') }} as dimension,
        {{ lf_json_text('entry', 'kind') }} as kind,
        {{ lf_json_text('entry', 'name') }} as name,
        cast({{ lf_number(lf_json_text('entry', 'position')) }} as {{ lf_type('integer') }}) as position

    from each_dimension

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
match_groups as (

    select
        read_dimensions.experiment_key,
        read_dimensions.dimension,
        count(account_groups.group_id) as matches,
        coalesce(
            max(case when account_groups.group_id = read_dimensions.name then account_groups.group_id end),
            case when count(account_groups.group_id) = 1 then min(account_groups.group_id) end
        ) as group_id

    from read_dimensions
    left join account_groups
        on
            read_dimensions.kind = account_groups.group_type
            and (read_dimensions.name = account_groups.group_id or read_dimensions.name = account_groups.group_name)
    group by read_dimensions.experiment_key, read_dimensions.dimension

),

joined as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,
        read_dimensions.dimension,
        match_groups.group_id,

        ---------- texts
        experiments.status,
        read_dimensions.kind,
        read_dimensions.name,
        case
            when read_dimensions.kind not in ('list', 'segment') then 'found'
            when membership_snapshots.snapshot_at is not null then 'found'
            when match_groups.group_id is not null then 'not_read'
            when match_groups.matches = 0 then 'not_found'
            else 'ambiguous'
        end as resolution,

        ---------- numerics
        read_dimensions.position

    from read_dimensions
    inner join experiments on read_dimensions.experiment_key = experiments.experiment_key
    inner join match_groups
        on
            read_dimensions.experiment_key = match_groups.experiment_key
            and read_dimensions.dimension = match_groups.dimension
    left join membership_snapshots
        on
            read_dimensions.kind = membership_snapshots.group_type
            and match_groups.group_id = membership_snapshots.group_id

)

select * from joined
