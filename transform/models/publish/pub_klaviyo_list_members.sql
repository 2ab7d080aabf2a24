with

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

list_memberships as (

    select * from {{ ref('stg_klaviyo__list_memberships') }}

),

deletion_requests as (

    select * from {{ ref('int_deletion_requests') }}

),

deletion_profiles as (

    select * from {{ ref('int_deletion_profiles') }}

),

group_members as (

    select * from {{ ref('int_group_members') }}

),

people_withdrawn as (

    select * from {{ ref('int_people_withdrawn') }}

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

-- Who was on it once and is no longer, was taken off: they stay off. Who has withdrawn from anything is put on none: messages that a list starts may be sent before Klaviyo has worked it.
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
        and not exists (
            select 1
            from people_withdrawn
            where people_withdrawn.profile_id = people.profile_id
        )

),

-- Who asked to be taken off all lists, and joins one later, joined it anew.
leave_all as (

    select distinct
        group_members.group_id as list_id,
        deletion_profiles.profile_id,
        'remove' as _action

    from deletion_profiles
    inner join deletion_requests on deletion_profiles.request_id = deletion_requests.request_id
    inner join group_members on deletion_profiles.profile_id = group_members.profile_id
    where
        group_members.group_type = 'list'
        and deletion_requests.is_lists
        and not deletion_profiles.is_of_others
        and coalesce(group_members.joined_at <= deletion_requests.received_at, true)

),

unioned as (

    select * from keep_never_on_it

    union all

    select * from leave_all

)

select * from unioned
