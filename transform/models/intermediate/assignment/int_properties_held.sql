with

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

-- A property whose name only looks like ours is somebody else's.
our_properties as (

    select 'lf_assignments' as property

    union

    select 'lf_' || experiment_key || '_' || slot_key as property
    from assignments
    where status = 'assigned'

    union

    select 'lf_' || experiment_key || '_' || slot_key as property
    from arms

),

listed_names as (

    select {{ lf_text_list('property') }} as names
    from our_properties

),

find_ours as (

    select
        profiles.profile_id,
        profiles.properties,
        {{ lf_json_each_key('profiles.properties', 'listed_names.names') }} as property

    from profiles
    cross join listed_names

),

read_values as (

    select
        profile_id,
        property,
        {{ lf_json_value('properties', 'property') }} as value

    from find_ours

),

-- A property that is null holds nothing: there is nothing to unset.
drop_nulls as (

    select * from read_values
    where not {{ lf_json_is_null('value') }}

)

select * from drop_nulls
