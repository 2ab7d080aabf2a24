{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}

{%- set slot = 'experiment_key, experiment_version, slot_key' %}

with

cells as (

    select * from {{ ref('int_cells') }}

),

units as (

    select * from {{ ref('int_units') }}

),

moments as (

    select * from {{ ref('int_moments') }}

),

renderings as (

    select * from {{ ref('int_slots_rendered') }}

),

days_since as (

    select * from {{ ref('int_days_since_receipt') }}

),

-- What a covariate is of, is an outcome metric of its name: its row holds the sums once for each arm.
covariates as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        is_control,
        metric as item,
        {{ lf_double('units') }} as n,
        covariate_total as total,
        covariate_of_squares as total_of_squares,
        covariate_total / nullif(units, 0) as mean,
        {{ lf_sample_variance(lf_double('units'), 'covariate_total', 'covariate_of_squares') }} as variance

    from moments
    where
        metric in ('{{ lf_covariates() | join("', '") }}')
        and analysis = 'assigned'
        and attribution = 'assigned_window'

),

pair_covariates as (

    {{ lf_against_control(
        'covariates', ['experiment_key', 'experiment_version', 'slot_key', 'item'], ['n', 'total', 'total_of_squares', 'mean', 'variance']
    ) }}

),

pool_covariates as {{ lf_fence() }} (

    select
        *,
        n + control_n as compared_units,
        mean - control_mean as difference,
        (variance + control_variance) / 2e0 as both_variance,
        variance / nullif(n, 0) + control_variance / nullif(control_n, 0) as own_square,
        {{ lf_pooled_square(
            lf_pooled_variance("'mean'", '(n + control_n)', '(total + control_total)', '(total_of_squares + control_total_of_squares)'),
            'n', 'control_n'
        ) }} as pooled_square

    from pair_covariates
    where control_n is not null

),

spread_covariates as {{ lf_fence() }} (

    select
        *,
        difference / {{ lf_standard_error('both_variance') }} as standardized_difference,
        {{ lf_standard_error(lf_decisive_square('own_square', 'pooled_square')) }} as spread

    from pool_covariates

),

-- Newcomers join for as long as it runs, and every run looks again.
test_covariates as (

    select
        *,
        {{ lf_always_valid_p('difference', 'spread', 'compared_units') }} as p_value

    from spread_covariates

),

step_covariates as (

    select
        *,
        {{ lf_holm_step('p_value', slot, 'arm_key, item') }} as holm_step

    from test_covariates

),

adjust_covariates as (

    select
        *,
        {{ lf_holm('p_value', 'holm_step', slot, 'arm_key, item') }} as p_value_holm

    from step_covariates

),

clicks as (

    select
        cells.experiment_key,
        cells.experiment_version,
        cells.slot_key,
        cells.arm_key,
        {{ lf_hours_between('units.received_at', 'units.token_clicked_at') }} as hours

    from units
    inner join cells
        on
            units.experiment_key = cells.experiment_key
            and units.experiment_version = cells.experiment_version
            and units.cell = cells.cell
    -- A click without a receipt before it is its own receipt.
    where units.token_clicked_at > units.received_at

),

rank_clicks as (

    select
        *,
        row_number() over (partition by {{ slot }}, arm_key order by hours) as place,
        count(*) over (partition by {{ slot }}, arm_key) as clickers

    from clicks

),

time_clicks as (

    select
        {{ slot }},
        arm_key,
        count(*) as units,
        min(case when 2 * place >= clickers then hours end) as median_hours,
        min(case when 4 * place >= clickers then hours end) as lower_quartile,
        min(case when 4 * place >= 3 * clickers then hours end) as upper_quartile

    from rank_clicks
    group by {{ slot }}, arm_key

),

-- Who has been seen for longer than the first days, in both parts of that time: the same people.
sum_parts as (

    select
        {{ slot }},
        arm_key,
        is_control,
        {{ lf_double('sum(units)') }} as n,
        sum(case when day < {{ lf_variable('novelty_days') }} then total else 0e0 end) as first_total,
        sum(case when day < {{ lf_variable('novelty_days') }} then total_of_squares else 0e0 end) as first_of_squares,
        sum(case when day < {{ lf_variable('novelty_days') }} then 0e0 else total end) as later_total,
        sum(later_of_squares) as later_of_squares,
        (
            sum(case when day < {{ lf_variable('novelty_days') }} then 0e0 else total_of_squares end) - sum(later_of_squares)
        ) / 2e0 as product

    from days_since
    where observed_days >= {{ lf_variable('novelty_days') }}
    group by {{ slot }}, arm_key, is_control

),

-- Of the logarithm of a mean: squared relative errors. Where one is large, a logarithm says nothing.
relate_parts as {{ lf_fence() }} (

    select
        *,
        {%- for part in ['first', 'later'] %}
        {{ part }}_total / nullif(n, 0) as {{ part }}_mean,
        {{ lf_sample_variance('n', part ~ '_total', part ~ '_of_squares') }} * n / nullif({{ part }}_total * {{ part }}_total, 0)
            as {{ part }}_square,
        {%- endfor %}
        {{ lf_sample_covariance('n', 'first_total', 'later_total', 'product') }} * n / nullif(first_total * later_total, 0) as covariance

    from sum_parts

),

pair_parts as (

    {{ lf_against_control(
        'relate_parts', ['experiment_key', 'experiment_version', 'slot_key'],
        ['n', 'first_mean', 'later_mean', 'first_square', 'later_square', 'covariance']
    ) }}

),

compare_parts as {{ lf_fence() }} (

    select
        *,
        n + control_n as compared_units,
        first_mean / nullif(control_first_mean, 0) as first_ratio,
        later_mean / nullif(control_later_mean, 0) as later_ratio,
        first_square + later_square - 2e0 * covariance + control_first_square + control_later_square - 2e0 * control_covariance as square

    from pair_parts
    where
        least(first_mean, later_mean, control_first_mean, control_later_mean) > 0
        and control_n is not null
        and {{ lf_larger(
            lf_larger('first_square', 'later_square'), lf_larger('control_first_square', 'control_later_square')
        ) }} <= {{ lf_double('0.1') }}

),

test_parts as (

    select
        *,
        {{ lf_always_valid_p('ln(first_ratio / later_ratio)', lf_standard_error('square'), 'compared_units') }} as p_value

    from compare_parts

),

step_parts as (

    select
        *,
        {{ lf_holm_step('p_value', slot, 'arm_key') }} as holm_step

    from test_parts

),

adjust_parts as (

    select
        *,
        {{ lf_holm('p_value', 'holm_step', slot, 'arm_key') }} as p_value_holm

    from step_parts

),

checks as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        'crossover' as health_check,
        '*' as arm_key,
        '*' as item,
        cast(rendered as {{ lf_type('bigint') }}) as units,
        crossover_rate as value,
        cast(null as {{ lf_type('double') }}) as low,
        cast(null as {{ lf_type('double') }}) as high,
        {{ lf_double(lf_variable('crossover_max_rate')) }} as threshold,
        cast(null as {{ lf_type('double') }}) as p_value,
        crossover_rate > {{ lf_variable('crossover_max_rate') }} and crossovers >= {{ lf_variable('crossover_min_profiles') }} as is_warning
    from renderings

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        'covariate_balance' as health_check,
        arm_key,
        item,
        cast(n as {{ lf_type('bigint') }}) as units,
        standardized_difference as value,
        cast(null as {{ lf_type('double') }}) as low,
        cast(null as {{ lf_type('double') }}) as high,
        {{ lf_double(lf_variable('balance_max_difference')) }} as threshold,
        p_value_holm as p_value,
        abs(standardized_difference) > {{ lf_variable('balance_max_difference') }} and p_value_holm < {{ lf_variable('alpha') }} as is_warning
    from adjust_covariates

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        'hours_to_click' as health_check,
        arm_key,
        '*' as item,
        units,
        median_hours as value,
        lower_quartile as low,
        upper_quartile as high,
        cast(null as {{ lf_type('double') }}) as threshold,
        cast(null as {{ lf_type('double') }}) as p_value,
        false as is_warning
    from time_clicks

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        'novelty' as health_check,
        arm_key,
        'first_days' as item,
        cast(n as {{ lf_type('bigint') }}) as units,
        first_ratio - 1e0 as value,
        cast(null as {{ lf_type('double') }}) as low,
        cast(null as {{ lf_type('double') }}) as high,
        {{ lf_double(lf_variable('novelty_days')) }} as threshold,
        p_value_holm as p_value,
        p_value_holm < {{ lf_variable('alpha') }} as is_warning
    from adjust_parts

    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        'novelty' as health_check,
        arm_key,
        'later_days' as item,
        cast(n as {{ lf_type('bigint') }}) as units,
        later_ratio - 1e0 as value,
        cast(null as {{ lf_type('double') }}) as low,
        cast(null as {{ lf_type('double') }}) as high,
        {{ lf_double(lf_variable('novelty_days')) }} as threshold,
        p_value_holm as p_value,
        p_value_holm < {{ lf_variable('alpha') }} as is_warning
    from adjust_parts

),

health as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        health_check,
        arm_key,
        item,

        ---------- numerics
        units,
        value,
        low,
        high,
        threshold,
        p_value,

        ---------- booleans
        coalesce(is_warning, false) as is_warning

    from checks

)

select * from health
