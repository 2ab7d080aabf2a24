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

all_properties as (

    select 'lf_assignments' as property

    union all

    select 'lf_' || experiment_key || '_' || slot_key as property
    from assignments
    where slot_key <> '*'

    union all

    select 'lf_' || experiment_key || '_' || slot_key as property
    from arms

),

-- A property whose name only looks like ours is somebody else's.
our_properties as (

    select distinct property
    from all_properties

),

find_ours as (

    {{ lf_json_entries('profiles', 'profile_id', 'properties', 'our_properties', 'property') }}

),

-- A property that is null holds nothing: there is nothing to unset.
drop_nulls as (

    select * from find_ours
    where not {{ lf_json_is_null('value') }}

)

select * from drop_nulls
