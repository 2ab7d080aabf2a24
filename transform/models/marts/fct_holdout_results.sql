with

moments as (

    select * from {{ ref('int_holdout_moments') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

currencies as (

    select * from {{ ref('int_experiment_currencies') }}

),

-- All experiments together are in one currency, or in several.
global_currency as (

    select
        case when min(currency) = max(currency) then max(currency) when max(currency) is not null then 'several' end as currency
    from currencies

),

estimate as (

    select
        moments.*,
        {{ lf_double('moments.units') }} as n,
        outcome_metrics.kind,
        outcome_metrics.unit,
        moments.total / nullif(moments.units, 0) as mean,
        {{ lf_unit_variance('outcome_metrics.kind', lf_double('moments.units'), 'moments.total', 'moments.total_of_squares') }} as variance

    from moments
    inner join outcome_metrics on moments.metric = outcome_metrics.metric

),

pair as {{ lf_fence() }} (

    select
        sent.*,
        held_out.n as held_out_n,
        held_out.units as held_out_units,
        held_out.converted as held_out_converted,
        held_out.mean as held_out_mean,
        sent.mean - held_out.mean as difference,
        sent.n + held_out.n as compared_units,
        sent.variance / nullif(sent.n, 0) + held_out.variance / nullif(held_out.n, 0) as own_square,
        {{ lf_pooled_variance(
            'sent.kind', '(sent.n + held_out.n)', '(sent.total + held_out.total)', '(sent.total_of_squares + held_out.total_of_squares)'
        ) }} as both_variance

    from estimate as sent
    inner join estimate as held_out
        on
            sent.scope = held_out.scope
            and sent.experiment_key = held_out.experiment_key
            and sent.experiment_version = held_out.experiment_version
            and sent.metric = held_out.metric
            and held_out.is_held_out
    where not sent.is_held_out

),

measure_spread as {{ lf_fence() }} (

    select
        *,
        {{ lf_standard_error(lf_decisive_square('own_square', lf_pooled_square('both_variance', 'n', 'held_out_n'))) }} as spread

    from pair

),

infer as (

    select
        *,
        {{ lf_always_valid_half_width('spread', 'compared_units') }} as half_width,
        {{ lf_always_valid_p('difference', 'spread', 'compared_units') }} as p_value

    from measure_spread

),

results as (

    select
        ---------- ids
        infer.scope,
        infer.experiment_key,
        infer.experiment_version,
        infer.metric,

        ---------- numerics
        infer.units,
        infer.held_out_units,
        infer.converted,
        infer.held_out_converted,
        infer.mean,
        infer.held_out_mean,
        infer.difference,
        infer.difference - infer.half_width as interval_low,
        infer.difference + infer.half_width as interval_high,
        infer.p_value,
        infer.difference / nullif(abs(infer.held_out_mean), 0) as relative_lift,
        infer.units * infer.difference as incremental,
        infer.units * (infer.difference - infer.half_width) as incremental_low,
        infer.units * (infer.difference + infer.half_width) as incremental_high,

        ---------- texts
        case
            when infer.unit <> 'currency' then null
            when infer.scope = 'global' then global_currency.currency
            else currencies.currency
        end as currency,

        ---------- timestamps
        infer.started_at,
        {{ lf_now() }} as measured_at

    from infer
    cross join global_currency
    left join currencies
        on
            infer.experiment_key = currencies.experiment_key
            and infer.experiment_version = currencies.experiment_version

)

select * from results
