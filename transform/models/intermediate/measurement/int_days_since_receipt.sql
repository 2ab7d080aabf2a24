with

cells as (

    select * from {{ ref('int_cells') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

units as (

    select * from {{ ref('int_units') }}

),

primary_days as (

    select * from {{ ref('int_primary_days') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

-- A receipt itself has no days.
primary_metrics as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        least({{ lf_window_days('experiments', 'outcome_metrics') }}, {{ lf_variable('novelty_window_days') }}) as window_days

    from experiments
    inner join outcome_metrics on experiments.primary_metric = outcome_metrics.metric
    where
        experiments.status <> 'draft'
        and outcome_metrics.aggregation <> 'receipt'

),

-- Everybody is read once, by the day of the receipt and the cell; the arms of a cell are few.
add_by_receipt as (

    select
        experiment_key,
        experiment_version,
        cell,
        cast(received_at as date) as received_on,
        0 as day,
        count(*) as units,
        {{ lf_double('0') }} as total,
        {{ lf_double('0') }} as total_of_squares,
        {{ lf_double('0') }} as later_of_squares
    from units
    where has_received
    group by experiment_key, experiment_version, cell, cast(received_at as date)

    union all

    select
        experiment_key,
        experiment_version,
        cell,
        received_on,
        day,
        0 as units,
        sum(added) as total,
        sum(added_squares) as total_of_squares,
        sum(added_later_squares) as later_of_squares
    from primary_days
    group by experiment_key, experiment_version, cell, received_on, day

),

-- The day of the receipt is day 0. A day counts once it is over, so that each is seen whole.
count_days as (

    select
        add_by_receipt.*,
        least(primary_metrics.window_days, {{ lf_days_between('add_by_receipt.received_on', lf_now()) }} - 1) as observed_days

    from add_by_receipt
    inner join primary_metrics
        on
            add_by_receipt.experiment_key = primary_metrics.experiment_key
            and add_by_receipt.experiment_version = primary_metrics.experiment_version

),

sum_arms as (

    select
        ---------- ids
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,

        ---------- booleans
        cells.is_control,

        ---------- numerics
        cast(count_days.observed_days as {{ lf_type('integer') }}) as observed_days,
        cast(count_days.day as {{ lf_type('integer') }}) as day,
        cast(sum(count_days.units) as {{ lf_type('bigint') }}) as units,
        sum(count_days.total) as total,
        sum(count_days.total_of_squares) as total_of_squares,
        sum(count_days.later_of_squares) as later_of_squares

    from count_days
    inner join cells
        on
            count_days.experiment_key = cells.experiment_key
            and count_days.experiment_version = cells.experiment_version
            and count_days.cell = cells.cell
    where count_days.day <= count_days.observed_days
    group by
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,
        cells.is_control,
        count_days.observed_days,
        count_days.day

)

select * from sum_arms
