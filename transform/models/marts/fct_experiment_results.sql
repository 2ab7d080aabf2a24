{{ config(**lf_outlives_definition(on_schema_change='append_new_columns')) }}

{%- set slot = 'experiment_key, experiment_version, slot_key, metric, analysis, attribution' %}
{%- set own = 'experiment_key, experiment_version, slot_key, analysis, attribution, is_primary' %}

with

moments as (

    select * from {{ ref('int_moments') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

currencies as (

    select * from {{ ref('int_experiment_currencies') }}

),

few as (

    select * from {{ ref('int_chances_of_few') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

levels as (

    select {{ lf_two_sided_z() }} as two_sided_z

),

sum_up as (

    select
        moments.*,
        outcome_metrics.kind,
        outcome_metrics.direction,
        outcome_metrics.unit,
        {{ lf_double('moments.units') }} as n,
        moments.total / nullif(moments.units, 0) as unit_mean,
        moments.denominator_total / nullif(moments.units, 0) as denominator_mean,
        moments.covariate_total / nullif(moments.units, 0) as covariate_mean

    from moments
    inner join outcome_metrics on moments.metric = outcome_metrics.metric

),

-- A share of the units has no variance but its own; a mean has that of the sample, and so have both parts of a ratio.
spread as (

    select
        *,
        {{ lf_unit_variance('kind', 'n', 'total', 'total_of_squares') }} as unit_variance,
        sum(n) over (partition by {{ slot }}) as slot_n,
        sum(total) over (partition by {{ slot }}) as slot_total,
        sum(total_of_squares) over (partition by {{ slot }}) as slot_total_of_squares,
        {{ lf_sample_variance('n', 'denominator_total', 'denominator_of_squares') }} as denominator_variance,
        {{ lf_sample_covariance('n', 'denominator_total', 'total', 'denominator_product') }} as denominator_covariance,
        {{ lf_sample_variance('n', 'covariate_total', 'covariate_of_squares') }} as covariate_variance,
        {{ lf_sample_covariance('n', 'covariate_total', 'total', 'covariate_product') }} as covariance

    from sum_up

),

estimate as (

    select
        *,
        -- Over all arms of the slot: what an arm has of its own says little while few of its units converted.
        case when kind <> 'ratio' then {{ lf_pooled_variance('kind', 'slot_n', 'slot_total', 'slot_total_of_squares') }} end as pooled_variance,
        case kind when 'ratio' then total / nullif(denominator_total, 0) else unit_mean end as mean,
        case kind
            when 'ratio'
                then {{ lf_ratio_variance(
                    'unit_mean', 'unit_variance', 'denominator_mean', 'denominator_variance', 'denominator_covariance'
                ) }}
            else unit_variance
        end as variance

    from spread

),

controls as (

    select * from estimate
    where is_control

),

pair as {{ lf_fence() }} (

    select
        estimate.*,
        experiments.primary_metric = estimate.metric as is_primary,
        case when estimate.unit = 'currency' then currencies.currency end as currency,
        controls.mean as control_mean,
        controls.n as control_n,
        controls.variance as control_variance,
        controls.converted as control_converted,
        controls.covariate_mean as control_covariate_mean,
        controls.covariate_variance as control_covariate_variance,
        controls.covariance as control_covariance,
        estimate.units + controls.units as compared_units,
        estimate.n + controls.n as both_n,
        estimate.total + controls.total as both_total,
        estimate.total_of_squares + controls.total_of_squares as both_total_of_squares,
        estimate.denominator_total + controls.denominator_total as both_denominator_total,
        estimate.denominator_of_squares + controls.denominator_of_squares as both_denominator_of_squares,
        estimate.denominator_product + controls.denominator_product as both_denominator_product,
        estimate.covariate_total + controls.covariate_total as both_covariate_total,
        estimate.covariate_of_squares + controls.covariate_of_squares as both_covariate_of_squares,
        estimate.covariate_product + controls.covariate_product as both_covariate_product,
        estimate.variance / nullif(estimate.n, 0) as square,
        controls.variance / nullif(controls.n, 0) as control_square

    from estimate
    inner join experiments
        on
            estimate.experiment_key = experiments.experiment_key
            and estimate.experiment_version = experiments.experiment_version
    left join currencies
        on
            estimate.experiment_key = currencies.experiment_key
            and estimate.experiment_version = currencies.experiment_version
    left join controls
        on
            estimate.experiment_key = controls.experiment_key
            and estimate.experiment_version = controls.experiment_version
            and estimate.slot_key = controls.slot_key
            and estimate.metric = controls.metric
            and estimate.analysis = controls.analysis
            and estimate.attribution = controls.attribution
            and estimate.is_control <> controls.is_control

),

-- Both arms as one sample.
pool as {{ lf_fence() }} (

    select
        *,
        {{ lf_cuped_theta('both_n', 'both_total', 'both_covariate_total', 'both_covariate_of_squares', 'both_covariate_product') }} as theta,
        both_total / nullif(both_n, 0) as both_unit_mean,
        both_denominator_total / nullif(both_n, 0) as both_denominator_mean,
        {{ lf_pooled_variance('kind', 'both_n', 'both_total', 'both_total_of_squares') }} as both_unit_variance,
        {{ lf_sample_variance('both_n', 'both_denominator_total', 'both_denominator_of_squares') }} as both_denominator_variance,
        {{ lf_sample_covariance('both_n', 'both_denominator_total', 'both_total', 'both_denominator_product') }} as both_denominator_covariance,
        {{ lf_sample_variance('both_n', 'both_covariate_total', 'both_covariate_of_squares') }} as both_covariate_variance,
        {{ lf_sample_covariance('both_n', 'both_covariate_total', 'both_total', 'both_covariate_product') }} as both_covariance

    from pair

),

-- Adjusted for what was before: less of the spread between people, and the same effect.
adjust as {{ lf_fence() }} (

    select
        *,
        case kind
            when 'ratio'
                then {{ lf_ratio_variance(
                    'both_unit_mean', 'both_unit_variance', 'both_denominator_mean', 'both_denominator_variance', 'both_denominator_covariance'
                ) }}
            else both_unit_variance
        end as both_variance,
        {{ lf_cuped_variance('both_unit_variance', 'theta', 'both_covariate_variance', 'both_covariance') }} as both_cuped_variance,
        mean - theta * covariate_mean as cuped_mean,
        control_mean - theta * control_covariate_mean as cuped_control_mean,
        {{ lf_cuped_variance('variance', 'theta', 'covariate_variance', 'covariance') }} / nullif(n, 0) as cuped_square,
        {{ lf_cuped_variance('control_variance', 'theta', 'control_covariate_variance', 'control_covariance') }}
            / nullif(control_n, 0) as cuped_control_square

    from pool

),

compare as {{ lf_fence() }} (

    select
        adjust.*,
        mean - control_mean as difference,
        {{ lf_root('(square + control_square)') }} as standard_error,
        {{ lf_welch_df('square', 'n', 'control_square', 'control_n') }} as welch_df,
        cuped_mean - cuped_control_mean as cuped_difference,
        sqrt(case when cuped_square + cuped_control_square > 0 then cuped_square + cuped_control_square end) as cuped_standard_error,
        1 - (cuped_square + cuped_control_square) / nullif(square + control_square, 0) as variance_reduction,
        {{ lf_relative_square('mean', 'square', 'control_mean', 'control_square') }} as relative_square,
        {{ lf_relative_cuped_square(
            'mean', 'cuped_square', 'control_mean', 'control_variance', 'theta', 'control_covariate_variance', 'control_covariance', 'control_n'
        ) }} as relative_cuped_square,
        {{ lf_decisive_square('(square + control_square)', lf_pooled_square('both_variance', 'n', 'control_n')) }} as decisive_square,
        {{ lf_decisive_square('(cuped_square + cuped_control_square)', lf_pooled_square('both_cuped_variance', 'n', 'control_n')) }}
            as decisive_cuped_square,
        {{ lf_relative_square('mean', '(both_variance / nullif(n, 0))', 'control_mean', '(both_variance / nullif(control_n, 0))') }}
            as pooled_relative_square,
        {{ lf_relative_cuped_square(
            'mean', '(both_cuped_variance / nullif(n, 0))', 'control_mean', 'both_unit_variance', 'theta', 'both_covariate_variance',
            'both_covariance', 'control_n'
        ) }} as pooled_relative_cuped_square

    from adjust

),

decide_squares as {{ lf_fence() }} (

    select
        *,
        {{ lf_decisive_square('relative_square', 'pooled_relative_square') }} as decisive_relative_square,
        {{ lf_decisive_square('relative_cuped_square', 'pooled_relative_cuped_square') }} as decisive_relative_cuped_square

    from compare

),

-- Which estimate decides follows from the kind of data, never from what it says.
choose_estimator as (

    select
        compared.*,
        few.chance as chance_of_few,
        few.loss_of_a,
        few.loss_of_b,
        case
            when compared.difference is null then null
            when compared.kind = 'ratio' then 'ratio'
            when few.chance is not null then 'beta'
            when compared.cuped_standard_error is not null then 'cuped'
            else 'welch'
        end as estimator

    from decide_squares as compared
    left join few
        on
            compared.experiment_key = few.experiment_key
            and compared.experiment_version = few.experiment_version
            and compared.slot_key = few.slot_key
            and compared.arm_key = few.arm_key
            and compared.metric = few.metric
            and compared.attribution = few.attribution
            and compared.analysis = 'assigned'

),

-- Of some outcomes more is worse: the gain is the difference turned so that more is better. No spread, no inference.
orient as {{ lf_fence() }} (

    select
        *,
        case when estimator = 'cuped' then cuped_difference else difference end as effect,
        {{ lf_standard_error("case when estimator = 'cuped' then decisive_cuped_square else decisive_square end") }} as spread,
        {{ lf_standard_error('decisive_square') }} as plain_spread,
        {{ lf_standard_error('decisive_cuped_square') }} as cuped_spread,
        nullif(standard_error, 0) as welch_spread,
        case when estimator = 'cuped' then cuped_difference else difference end / nullif(abs(control_mean), 0) as relative_lift,
        {{ lf_standard_error("case when estimator = 'cuped' then decisive_relative_cuped_square else decisive_relative_square end") }} as relative_spread,
        case direction when 'decrease' then -1 else 1 end as gain_sign

    from choose_estimator

),

turn as {{ lf_fence() }} (

    select
        *,
        gain_sign * effect as gain,
        case when welch_df > 0 and welch_spread is not null then {{ lf_t_deviate('(difference / welch_spread)', 'welch_df') }} end as t_deviate

    from orient

),

infer as (

    select
        turn.*,
        {{ lf_always_valid_half_width('plain_spread', 'compared_units') }} as half_width,
        {{ lf_always_valid_half_width('cuped_spread', 'compared_units') }} as cuped_half_width,
        {{ lf_always_valid_half_width('relative_spread', 'compared_units') }} as relative_half_width,
        {{ lf_t_quantile('levels.two_sided_z', 'welch_df') }} * welch_spread as welch_half_width,
        {{ lf_t_p('t_deviate') }} as p_value_welch,
        {{ lf_always_valid_p('effect', 'spread', 'compared_units') }} as p_value,
        case when spread is not null then least(1e0, 2e0 * ({{ lf_phi('(-abs(effect) / spread)') }})) end as p_value_fixed,
        case
            when estimator = 'beta' then case gain_sign when 1 then chance_of_few else 1 - chance_of_few end
            else {{ lf_chance_to_win('gain', 'spread') }}
        end as chance_to_win,
        case
            when estimator = 'beta' then case gain_sign when 1 then loss_of_b else loss_of_a end
            else {{ lf_expected_loss('gain', 'spread') }}
        end as expected_loss,
        {{ lf_shrunken_mean('relative_lift', 'relative_spread', lf_double(lf_variable('lift_prior'))) }} as shrunken_lift,
        {{ lf_corrected_lift('relative_lift', 'effect', 'spread') }} as corrected_lift

    from turn
    cross join levels

),

-- The primary metric is a family of its own: the arms. All others together are another.
step_p_values as (

    select
        *,
        {{ lf_holm_step('p_value', own, 'metric, arm_key') }} as holm_step,
        {{ lf_holm_step('p_value_fixed', own, 'metric, arm_key') }} as fixed_holm_step,
        {{ lf_bh_step('p_value', own, 'metric, arm_key') }} as bh_step

    from infer

),

adjust_p_values as (

    select
        *,
        {{ lf_holm('p_value', 'holm_step', own, 'metric, arm_key') }} as p_value_holm,
        {{ lf_holm('p_value_fixed', 'fixed_holm_step', own, 'metric, arm_key') }} as p_value_fixed_holm,
        {{ lf_bh('p_value', 'bh_step', own, 'metric, arm_key') }} as p_value_bh

    from step_p_values

),

results as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        metric,

        ---------- booleans
        is_control,
        is_primary,

        ---------- numerics
        units,
        received,
        total,
        mean,
        variance,
        control_mean,
        difference,
        standard_error,
        relative_lift,
        difference - half_width as interval_low,
        difference + half_width as interval_high,
        p_value,
        chance_to_win,
        expected_loss,

        ---------- timestamps
        {{ lf_now() }} as measured_at,

        ---------- texts
        analysis,
        attribution,
        estimator,
        is_primary and analysis = 'assigned' and attribution = 'assigned_window' as is_decisive,

        ---------- numerics
        cast(converted as {{ lf_type('bigint') }}) as converted,
        difference - welch_half_width as welch_low,
        difference + welch_half_width as welch_high,
        p_value_welch,
        p_value_holm,
        p_value_bh,
        cuped_difference,
        cuped_standard_error,
        cuped_difference - cuped_half_width as cuped_low,
        cuped_difference + cuped_half_width as cuped_high,
        variance_reduction,
        relative_lift - relative_half_width as relative_low,
        relative_lift + relative_half_width as relative_high,
        shrunken_lift,

        ---------- texts
        currency,

        ---------- numerics
        pooled_variance,
        spread as decisive_standard_error,
        p_value_fixed,
        p_value_fixed_holm,
        corrected_lift

    from adjust_p_values

)

select * from results
