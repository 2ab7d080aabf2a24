{% snapshot snap_klaviyo__profiles %}

{{
    config(
        enabled=lf_keeps_history('profiles'),
        unique_key='profile_id',
        strategy='timestamp',
        updated_at='changed_at',
    )
}}

with

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

profiles_gone as (

    select * from {{ ref('int_profiles_gone') }}

),

-- Of millions, few change: Klaviyo says when, and documents are not compared.
held as (

    select
        profiles.*,
        coalesce(profiles.updated_at, profiles.created_at, {{ lf_moment('1970-01-01 00:00:00') }}) as changed_at

    from profiles
    left join profiles_gone on profiles.profile_id = profiles_gone.profile_id
    where profiles_gone.profile_id is null

)

select * from held

{% endsnapshot %}
