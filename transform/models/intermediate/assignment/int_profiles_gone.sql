with

readings as (

    select * from {{ ref('int_resource_readings') }}

),

resource_ids as (

    select * from {{ ref('stg_klaviyo__resource_ids') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

gone as (

    {{ lf_find_gone('profiles', 'profile_id', 'coalesce(profiles.updated_at, profiles.created_at)', 'profiles', 'readings', 'resource_ids') }}

),

named as (

    select resource_id as profile_id
    from gone

)

select * from named
