{#-
    Fixed when a version is first measured: a cap that moves while an experiment runs changes what was counted before. One that is no number, which earlier versions
    took from orders of `NaN`, is taken anew from the orders that are left.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
        pre_hook="{{ lf_delete_rows(this, lf_is_no_sum(['cap'])) }}",
    )
}}

with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

counted_roles as (

    {{ lf_counted_roles('outcome_metrics') }}

),

-- What is not fixed yet. Of the other versions nothing more is read.
wanted as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        counted_roles.metric,
        counted_roles.role,
        counted_roles.counts_machines,
        {{ lf_window_days('experiments', 'counted_roles') }} as window_days

    from experiments
    cross join counted_roles
    inner join outcome_metrics on counted_roles.metric = outcome_metrics.metric
    {% if is_incremental() -%}
    left join {{ this }} as known
        on
            experiments.experiment_key = known.experiment_key
            and experiments.experiment_version = known.experiment_version
            and counted_roles.metric = known.metric
    {% endif -%}
    where
        outcome_metrics.is_capped
        and counted_roles.sign = 1
        {%- if is_incremental() %}
        and known.metric is null
        {%- endif %}

),

sent as (

    select
        experiment_key,
        experiment_version,
        min(received_at) as sent_at
    from receipts
    where experiment_key in (select wanted.experiment_key from wanted)
    group by experiment_key, experiment_version

),

starts as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        min(assignments.assigned_at) as first_assigned_at,
        least(min(assignments.assigned_at), min(sent.sent_at)) as started_at

    from assignments
    inner join sent
        on
            assignments.experiment_key = sent.experiment_key
            and assignments.experiment_version = sent.experiment_version
    group by assignments.experiment_key, assignments.experiment_version

),

capped as (

    select
        wanted.*,
        starts.started_at

    from wanted
    inner join starts
        on
            wanted.experiment_key = starts.experiment_key
            and wanted.experiment_version = starts.experiment_version

),

-- Those of the first run; who joins later may have been moved by the experiment.
audience as (

    select distinct
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.profile_id

    from assignments
    inner join starts
        on
            assignments.experiment_key = starts.experiment_key
            and assignments.experiment_version = starts.experiment_version
            and assignments.assigned_at = starts.first_assigned_at

),

-- What a profile spent in a time as long as the outcome's window: the same kind of number as is capped.
values_before as (

    select
        capped.experiment_key,
        capped.experiment_version,
        capped.metric,
        events.profile_id,
        floor(
            {{ lf_double(lf_days_between('events.occurred_at', 'capped.started_at')) }} / capped.window_days
        ) as period,
        max(case when audience.profile_id is not null then 1 else 0 end) as is_of_audience,
        sum(events.value) as value

    from capped
    inner join events
        on
            capped.role = events.role
            and capped.started_at > events.occurred_at
            and {{ lf_dateadd('day', -1 * lf_variable('covariate_days'), 'capped.started_at') }} <= events.occurred_at
    left join audience
        on
            capped.experiment_key = audience.experiment_key
            and capped.experiment_version = audience.experiment_version
            and events.profile_id = audience.profile_id
    where
        events.profile_id is not null
        and events.value > 0
        and (events.is_human or capped.counts_machines)
    group by
        capped.experiment_key,
        capped.experiment_version,
        capped.metric,
        events.profile_id,
        floor(
            {{ lf_double(lf_days_between('events.occurred_at', 'capped.started_at')) }} / capped.window_days
        )

),

-- Equal values are one row: prices repeat, and what follows sorts them.
count_values as (

    select
        experiment_key,
        experiment_version,
        metric,
        value,
        sum(is_of_audience) as of_audience,
        count(*) as of_account

    from values_before
    group by experiment_key, experiment_version, metric, value

),

populations as (

    select
        experiment_key,
        experiment_version,
        metric,
        value,
        of_audience as purchases,
        'audience' as population
    from count_values
    where of_audience > 0

    union all

    select
        experiment_key,
        experiment_version,
        metric,
        value,
        of_account as purchases,
        'account' as population
    from count_values

),

-- The place of the last of those that are equal.
rank_values as (

    select
        experiment_key,
        experiment_version,
        metric,
        population,
        value,
        sum(purchases) over (
            partition by experiment_key, experiment_version, metric, population
            order by value
            rows between unbounded preceding and current row
        ) as place,
        sum(purchases) over (partition by experiment_key, experiment_version, metric, population) as purchases

    from populations

),

-- Three always lie above it: a percentile alone is the largest value where there are few.
found as (

    select
        experiment_key,
        experiment_version,
        metric,
        population,
        max(purchases) as purchases,
        min(value) as cap

    from rank_values
    where
        purchases >= {{ lf_variable('revenue_cap_buyers') }}
        and place >= least({{ lf_double(lf_variable('revenue_cap_percentile')) }} * purchases, purchases - 3)
        and {{ lf_variable('revenue_cap_percentile') }} < 1
    group by experiment_key, experiment_version, metric, population

),

value_caps as (

    select
        ---------- ids
        capped.experiment_key,
        capped.experiment_version,
        capped.metric,

        ---------- texts
        coalesce(of_audience.population, of_account.population, 'none') as population,

        ---------- numerics
        {{ lf_double('coalesce(of_audience.cap, of_account.cap)') }} as cap,
        cast(coalesce(of_audience.purchases, of_account.purchases, 0) as {{ lf_type('bigint') }}) as purchases

    from capped
    left join found as of_audience
        on
            capped.experiment_key = of_audience.experiment_key
            and capped.experiment_version = of_audience.experiment_version
            and capped.metric = of_audience.metric
            and of_audience.population = 'audience'
    left join found as of_account
        on
            capped.experiment_key = of_account.experiment_key
            and capped.experiment_version = of_account.experiment_version
            and capped.metric = of_account.metric
            and of_account.population = 'account'

)

select * from value_caps
