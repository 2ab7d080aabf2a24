with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

-- GrowthBook knows no slots: each is an experiment of its own.
exposures as (

    select
        profile_id as user_id,
        assigned_at as timestamp,
        experiment_key || '.' || {{ lf_text('experiment_version') }} || '.' || slot_key as experiment_id,
        arm_key as variation_id

    from assignments
    where slot_key <> '*'

)

select * from exposures
