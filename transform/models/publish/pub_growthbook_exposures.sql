with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

flow_requests as (

    select * from {{ ref('stg_inbox__flow_requests') }}

),

rank_requests as (

    select
        experiment_key,
        profile_id,
        tracking_id,
        row_number() over (partition by experiment_key, profile_id order by received_at, request_id) as place
    from flow_requests

),

-- By which the profile came into the audience.
first_requests as (

    select
        experiment_key,
        profile_id,
        tracking_id
    from rank_requests
    where place = 1

),

-- GrowthBook knows no slots: each is an experiment of its own.
exposures as (

    select
        assignments.profile_id as user_id,
        assignments.assigned_at as timestamp,
        assignments.experiment_key || '.' || {{ lf_text('assignments.experiment_version') }} || '.' || assignments.slot_key as experiment_id,
        assignments.arm_key as variation_id,
        first_requests.tracking_id

    from assignments
    left join first_requests
        on
            assignments.experiment_key = first_requests.experiment_key
            and assignments.profile_id = first_requests.profile_id
    where assignments.slot_key <> '*'

)

select * from exposures
