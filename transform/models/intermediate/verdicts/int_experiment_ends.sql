with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

-- The run that first saw the end wrote it down.
earlier_ends as (

    select
        experiment_key,
        experiment_version,
        min(ended_at) as ended_at

    from {{ lf_ledger('fct_experiment_verdicts') }}
    where ended_at is not null
    group by experiment_key, experiment_version

),

date_ends as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        experiments.decision = 'fixed' as is_fixed,
        experiments.planned_stop_on,
        experiments.attribution_window_days,
        experiments.status = 'ended' as has_ended,
        case when experiments.status = 'ended' then coalesce(earlier_ends.ended_at, {{ lf_now() }}) end as ended_at

    from experiments
    left join earlier_ends
        on
            experiments.experiment_key = earlier_ends.experiment_key
            and experiments.experiment_version = earlier_ends.experiment_version

),

hold_against_plan as (

    select
        *,
        coalesce(has_ended and cast(ended_at as date) < planned_stop_on, false) as has_ended_early,
        coalesce({{ lf_days_between('ended_at', lf_now()) }} >= attribution_window_days, false) as has_closed

    from date_ends

),

-- A test of fixed size has one look: after the planned stop, once nothing more can count.
ends as (

    select
        ---------- ids
        experiment_key,
        experiment_version,

        ---------- booleans
        is_fixed,
        has_ended,
        has_ended_early,
        has_closed,
        not is_fixed or coalesce(has_ended and has_closed and not has_ended_early and planned_stop_on is not null, false) as may_decide,

        ---------- timestamps
        ended_at

    from hold_against_plan

)

select * from ends
