with

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

list_memberships as (

    select * from {{ ref('stg_klaviyo__list_memberships') }}

),

people as (

    select
        {{ lf_contacts_list() }} as list_id,
        profile_id

    from pushed_contacts
    where profile_id is not null
    group by profile_id
    having sum(case when is_withdrawn then 1 else 0 end) = 0

),

-- Who was on it once and is no longer, was taken off: they stay off.
keep_never_on_it as (

    select
        list_id,
        profile_id,
        'add' as _action

    from people
    where
        list_id is not null
        and not exists (
            select 1
            from list_memberships
            where
                list_memberships.list_id = people.list_id
                and list_memberships.profile_id = people.profile_id
        )

)

select * from keep_never_on_it
