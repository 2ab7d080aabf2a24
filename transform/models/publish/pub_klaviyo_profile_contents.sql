with

contents as (

    select * from {{ ref('stg_experiments__profile_contents') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

profiles_gone as (

    select * from {{ ref('int_profiles_gone') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

),

-- Other names are other people's, and assignments are written by pub_klaviyo_profiles alone.
keep_allowed as (

    select * from contents
    where
        substr(property, 1, 3) = 'lf_'
        and property <> 'lf_assignments'
        and not exists (
            select 1
            from arms
            where contents.property = 'lf_' || arms.experiment_key || '_' || arms.slot_key
        )

),

rank_by_time as (

    select
        *,
        row_number() over (partition by profile_id, property order by made_at desc, content) as recency

    from keep_allowed

),

wanted as (

    select
        profile_id,
        property,
        content,
        {{ lf_json_string('content') }} as value

    from rank_by_time
    where recency = 1

),

properties as (

    select distinct property
    from wanted

),

held as (

    {{ lf_json_entries('profiles', 'profile_id', 'properties', 'properties', 'property') }}

),

compare as (

    select
        wanted.profile_id,
        wanted.property,
        wanted.value,
        wanted.content is not null as is_wanted

    from wanted
    inner join profiles on wanted.profile_id = profiles.profile_id
    left join held
        on
            wanted.profile_id = held.profile_id
            and wanted.property = held.property
            and not {{ lf_json_is_null('held.value') }}
    where
        (wanted.content is null and held.profile_id is not null)
        or (
            wanted.content is not null
            and {{ lf_is_distinct(lf_json_canonical('wanted.value'), lf_json_canonical('held.value')) }}
        )

),

keep_reachable as (

    select * from compare
    where not exists (
        select 1
        from profiles_gone
        where profiles_gone.profile_id = compare.profile_id
    )

),

grouped as (

    select
        profile_id as id,
        {{ lf_json_object_agg('property', 'value', condition='is_wanted') }} as properties,
        {{ lf_json_array_agg('property', condition='not is_wanted') }} as unset

    from keep_reachable
    group by profile_id

)

select * from grouped
