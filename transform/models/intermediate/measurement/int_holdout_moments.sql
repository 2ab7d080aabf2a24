with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

rules as (

    select * from {{ ref('fct_assignment_rules') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

ends as (

    select * from {{ ref('int_experiment_ends') }}

),

-- What somebody may do who is never sent to. What happens in a message is none of it.
metrics as (

    select * from outcome_metrics
    where
        kind <> 'ratio'
        and aggregation <> 'receipt'
        and time_window <> 'message'
        and not counts_machines

),

counted_roles as (

    {{ lf_counted_roles('metrics') }}

),

-- Experiments with a holdout only: the ledger of the others is not read.
with_holdout as (

    select
        experiments.*,
        ends.ended_at

    from experiments
    inner join ends
        on
            experiments.experiment_key = ends.experiment_key
            and experiments.experiment_version = ends.experiment_version
    where
        experiments.holdout_bp > 0
        or experiments.global_holdout_bp > 0

),

drawn as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        with_holdout.global_holdout_version,
        with_holdout.holdout_bp,
        with_holdout.global_holdout_bp,
        assignments.profile_id,
        assignments.assigned_at,
        {{ lf_dateadd('day', 'with_holdout.attribution_window_days', 'with_holdout.ended_at') }} as closes_at,
        case
            when assignments.slot_key <> '*' then 'sent'
            when rules.reason like '%; held out by the global holdout of %' then 'held_out_globally'
            else 'held_out'
        end as outcome

    from assignments
    inner join with_holdout
        on
            assignments.experiment_key = with_holdout.experiment_key
            and assignments.experiment_version = with_holdout.experiment_version
    inner join rules on assignments.rule_id = rules.rule_id

),

-- Who is held out of everything is compared with everybody else, from the first experiment that found them on.
units as (

    select
        'experiment' as scope,
        experiment_key,
        experiment_version,
        profile_id,
        max(case when outcome = 'held_out' then 1 else 0 end) = 1 as is_held_out,
        min(assigned_at) as entered_at,
        max(closes_at) as closes_at
    from drawn
    where
        holdout_bp > 0
        and outcome <> 'held_out_globally'
    group by experiment_key, experiment_version, profile_id

    union all

    select
        'global' as scope,
        '*' as experiment_key,
        global_holdout_version as experiment_version,
        profile_id,
        max(case when outcome = 'held_out_globally' then 1 else 0 end) = 1 as is_held_out,
        min(assigned_at) as entered_at,
        cast(null as {{ lf_type('timestamp') }}) as closes_at
    from drawn
    where global_holdout_bp > 0
    group by global_holdout_version, profile_id

),

-- From the draw on, for both alike: who is not sent to has no receipt to begin with.
count_events as (

    select
        units.scope,
        units.experiment_key,
        units.experiment_version,
        units.profile_id,
        counted_roles.metric,
        counted_roles.aggregation,
        sum(case counted_roles.aggregation when 'value' then counted_roles.sign * coalesce(events.value, 0) else counted_roles.sign end) as counted

    from units
    inner join events
        on
            units.profile_id = events.profile_id
            and units.entered_at <= events.occurred_at
            and coalesce(units.closes_at, events.occurred_at) >= events.occurred_at
    inner join counted_roles on events.role = counted_roles.role
    where
        events.is_human
        or counted_roles.counts_machines
    group by
        units.scope, units.experiment_key, units.experiment_version, units.profile_id, counted_roles.metric, counted_roles.aggregation

),

outcomes as (

    select
        scope,
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        {{ lf_double("case when aggregation <> 'any' then counted when counted > 0 then 1 else 0 end") }} as outcome

    from count_events

),

sum_outcomes as (

    select
        units.scope,
        units.experiment_key,
        units.experiment_version,
        units.is_held_out,
        outcomes.metric,
        sum(case when outcomes.outcome > 0 then 1 else 0 end) as converted,
        sum(outcomes.outcome) as total,
        sum(outcomes.outcome * outcomes.outcome) as total_of_squares

    from units
    inner join outcomes
        on
            units.scope = outcomes.scope
            and units.experiment_key = outcomes.experiment_key
            and units.experiment_version = outcomes.experiment_version
            and units.profile_id = outcomes.profile_id
    group by units.scope, units.experiment_key, units.experiment_version, units.is_held_out, outcomes.metric

),

count_units as (

    select
        scope,
        experiment_key,
        experiment_version,
        is_held_out,
        count(*) as units,
        min(entered_at) as started_at

    from units
    group by scope, experiment_key, experiment_version, is_held_out

),

moments as (

    select
        ---------- ids
        count_units.scope,
        count_units.experiment_key,
        count_units.experiment_version,
        metrics.metric,

        ---------- booleans
        count_units.is_held_out,

        ---------- numerics
        cast(count_units.units as {{ lf_type('bigint') }}) as units,
        cast(coalesce(sum_outcomes.converted, 0) as {{ lf_type('bigint') }}) as converted,
        {{ lf_double('coalesce(sum_outcomes.total, 0)') }} as total,
        {{ lf_double('coalesce(sum_outcomes.total_of_squares, 0)') }} as total_of_squares,

        ---------- timestamps
        count_units.started_at

    from count_units
    cross join metrics
    left join sum_outcomes
        on
            count_units.scope = sum_outcomes.scope
            and count_units.experiment_key = sum_outcomes.experiment_key
            and count_units.experiment_version = sum_outcomes.experiment_version
            and count_units.is_held_out = sum_outcomes.is_held_out
            and metrics.metric = sum_outcomes.metric

)

select * from moments
