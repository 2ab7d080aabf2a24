with

deletions as (

    select * from {{ ref('int_deletions') }}

),

due as (

    select
        request_id,
        profile_id,
        email,
        phone_number
    from deletions
    where waits_for = 'sending'

)

select * from due
