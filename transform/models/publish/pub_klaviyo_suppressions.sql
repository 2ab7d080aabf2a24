with

suppressions_due as (

    select * from {{ ref('int_suppressions_due') }}

),

suppressions as (

    select
        email,
        'add' as _action
    from suppressions_due

)

select * from suppressions
