with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

outcome_days as (

    select * from {{ ref('int_outcome_days') }}

),

outcomes as (

    select * from {{ ref('int_outcomes') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- A receipt itself has no days.
primary_metrics as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        outcome_metrics.metric,
        outcome_metrics.is_capped,
        least({{ lf_window_days('experiments', 'outcome_metrics') }}, {{ lf_variable('novelty_window_days') }}) as window_days

    from experiments
    inner join outcome_metrics on experiments.primary_metric = outcome_metrics.metric
    where
        experiments.status <> 'draft'
        and outcome_metrics.aggregation <> 'receipt'

),

-- The day of the receipt is day 0. A day counts once it is over, so that each is seen whole.
count_days as (

    select
        receipts.experiment_key,
        receipts.experiment_version,
        receipts.profile_id,
        receipts.received_at,
        primary_metrics.metric,
        least(primary_metrics.window_days, {{ lf_days_between('receipts.received_at', lf_now()) }} - 1) as observed_days

    from receipts
    inner join primary_metrics
        on
            receipts.experiment_key = primary_metrics.experiment_key
            and receipts.experiment_version = primary_metrics.experiment_version

),

receivers as (

    select * from count_days
    where observed_days >= 0

),

outcomes_since as (

    select
        receivers.experiment_key,
        receivers.experiment_version,
        receivers.profile_id,
        receivers.metric,
        receivers.observed_days,
        {{ lf_larger(lf_days_between('receivers.received_at', 'outcome_days.occurred_on'), '0') }} as day,
        outcome_days.value

    from receivers
    inner join outcome_days
        on
            receivers.experiment_key = outcome_days.experiment_key
            and receivers.experiment_version = outcome_days.experiment_version
            and receivers.profile_id = outcome_days.profile_id
            and receivers.metric = outcome_days.metric
            and outcome_days.attribution = 'assigned_window'

),

sum_days as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        observed_days,
        day,
        sum(value) as value

    from outcomes_since
    where day <= observed_days
    group by experiment_key, experiment_version, profile_id, metric, observed_days, day

),

-- The capped values of the final sums say where the cap is.
caps as (

    select
        outcomes.experiment_key,
        outcomes.experiment_version,
        outcomes.metric,
        max(outcomes.value) as cap

    from outcomes
    inner join primary_metrics
        on
            outcomes.experiment_key = primary_metrics.experiment_key
            and outcomes.experiment_version = primary_metrics.experiment_version
            and outcomes.metric = primary_metrics.metric
    where
        primary_metrics.is_capped
        and outcomes.attribution = 'assigned_window'
    group by outcomes.experiment_key, outcomes.experiment_version, outcomes.metric

),

add_up as (

    select
        *,
        sum(value) over (
            partition by experiment_key, experiment_version, profile_id
            order by day
            rows between unbounded preceding and current row
        ) as value_so_far,
        coalesce(sum(case when day < {{ lf_variable('novelty_days') }} then value end) over (
            partition by experiment_key, experiment_version, profile_id
        ), 0e0) as first_value

    from sum_days

),

cap_days as (

    select
        add_up.*,
        least(add_up.value_so_far, coalesce(caps.cap, add_up.value_so_far)) as capped_value,
        least(add_up.first_value, coalesce(caps.cap, add_up.first_value)) as capped_first_value

    from add_up
    left join caps
        on
            add_up.experiment_key = caps.experiment_key
            and add_up.experiment_version = caps.experiment_version
            and add_up.metric = caps.metric

),

split_days as (

    select
        *,
        case when day < {{ lf_variable('novelty_days') }} then 0e0 else capped_value - capped_first_value end as later_value

    from cap_days

),

-- What a day adds to the sums and to the sums of squares of everything up to it: so the squares add over days too.
add_by_day as (

    select
        *,
        {%- for value in ['capped_value', 'later_value'] %}
        {{ value }} - lag({{ value }}, 1, {{ lf_double('0') }}) over (
            partition by experiment_key, experiment_version, profile_id order by day
        ) as added_{{ value }},
        {{ value }} * {{ value }} - power(lag({{ value }}, 1, {{ lf_double('0') }}) over (
            partition by experiment_key, experiment_version, profile_id order by day
        ), 2) as added_squares_of_{{ value }}{{ ',' if not loop.last }}
        {%- endfor %}

    from split_days

),

changes as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        observed_days,
        0 as day,
        1 as units,
        {{ lf_double('0') }} as total,
        {{ lf_double('0') }} as total_of_squares,
        {{ lf_double('0') }} as later_of_squares
    from receivers

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        observed_days,
        day,
        0 as units,
        added_capped_value as total,
        added_squares_of_capped_value as total_of_squares,
        added_squares_of_later_value as later_of_squares
    from add_by_day

),

sum_arms as (

    select
        ---------- ids
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,

        ---------- booleans
        arms.is_control,

        ---------- numerics
        cast(changes.observed_days as {{ lf_type('integer') }}) as observed_days,
        cast(changes.day as {{ lf_type('integer') }}) as day,
        cast(sum(changes.units) as {{ lf_type('bigint') }}) as units,
        sum(changes.total) as total,
        sum(changes.total_of_squares) as total_of_squares,
        sum(changes.later_of_squares) as later_of_squares

    from changes
    inner join assignments
        on
            changes.experiment_key = assignments.experiment_key
            and changes.experiment_version = assignments.experiment_version
            and changes.profile_id = assignments.profile_id
    inner join arms
        on
            assignments.experiment_key = arms.experiment_key
            and assignments.experiment_version = arms.experiment_version
            and assignments.slot_key = arms.slot_key
            and assignments.arm_key = arms.arm_key
    group by
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        arms.is_control,
        changes.observed_days,
        changes.day

)

select * from sum_arms
