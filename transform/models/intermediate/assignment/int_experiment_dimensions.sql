with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

account_groups as (

    select * from {{ ref('int_account_groups') }}

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
        {{ lf_integer(lf_json_text('entry', 'position')) }} as position

    from each_dimension

),

find_group as (

    {{ lf_find_group('read_dimensions', ['experiment_key', 'dimension'], 'kind', 'name', 'account_groups') }}

),

joined as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,
        read_dimensions.dimension,
        find_group.group_id,

        ---------- texts
        experiments.status,
        read_dimensions.kind,
        read_dimensions.name,
        case when read_dimensions.kind in ('list', 'segment') then find_group.resolution else 'found' end as resolution,

        ---------- numerics
        read_dimensions.position

    from read_dimensions
    inner join experiments on read_dimensions.experiment_key = experiments.experiment_key
    inner join find_group
        on
            read_dimensions.experiment_key = find_group.experiment_key
            and read_dimensions.dimension = find_group.dimension

)

select * from joined
