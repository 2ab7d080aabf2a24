with

wanted as (

    select * from {{ ref('int_properties_wanted') }}

),

held as (

    select * from {{ ref('int_properties_held') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

definition_snapshots as (

    select * from {{ ref('stg_experiments__definition_snapshots') }}

),

profiles_gone as (

    select * from {{ ref('int_profiles_gone') }}

),

compare as (

    select
        coalesce(wanted.profile_id, held.profile_id) as profile_id,
        coalesce(wanted.property, held.property) as property,
        wanted.value,
        wanted.profile_id is not null as is_wanted

    from wanted
    full outer join held
        on
            wanted.profile_id = held.profile_id
            and wanted.property = held.property
    where {{ lf_is_distinct(lf_json_canonical('wanted.value'), lf_json_canonical('held.value')) }}

),

-- Until the definitions have been read once, "not wanted" only means "not known".
keep_known as (

    select compare.*
    from compare
    inner join profiles on compare.profile_id = profiles.profile_id
    where
        exists (select 1 from definition_snapshots)
        and not exists (
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

    from keep_known
    group by profile_id

)

select * from grouped
