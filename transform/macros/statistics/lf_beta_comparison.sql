{#-
    A query that compares two shares under flat priors, Beta(1, 1), for counts so small that the normal approximation is off (below 30
    conversions: by 0.03 in the chance). `source` has, besides the columns `keys` of a key, `units_a`, `successes_a` of the control and
    `units_b`, `successes_b` of the arm. Columns: the keys, `chance` that the arm's share is larger, `loss_of_b` by choosing the arm where
    the control's is larger, `loss_of_a` by staying with the control where the arm's is.

    Both densities on one grid of 801 points on the logit, so that no gamma function is needed; running sums are the distribution functions. The
    grid reaches 8 standard deviations beyond both means and further where a tail is only exponential. Error about 1e-5.
-#}
{% macro lf_beta_comparison(source, keys) -%}
    {%- set up_to_here = (
        "partition by " ~ keys | join(", ") ~ " order by number rows between unbounded preceding and current row"
    ) -%}
    with

    points as (

        {{ lf_numbers(801) }}

    ),

    spread as (

        select
            {{ keys | join(', ') }},
            successes_a + 1e0 as a1,
            units_a - successes_a + 1e0 as a2,
            successes_b + 1e0 as b1,
            units_b - successes_b + 1e0 as b2
        from {{ source }}

    ),

    bound as (

        select
            *,
            least(
                ln({{ lf_double('a1 / a2') }}) - 8e0 * sqrt({{ lf_double('1e0 / a1 + 1e0 / a2') }}) - 12e0 / a1,
                ln({{ lf_double('b1 / b2') }}) - 8e0 * sqrt({{ lf_double('1e0 / b1 + 1e0 / b2') }}) - 12e0 / b1
            ) as low,
            greatest(
                ln({{ lf_double('a1 / a2') }}) + 8e0 * sqrt({{ lf_double('1e0 / a1 + 1e0 / a2') }}) + 12e0 / a2,
                ln({{ lf_double('b1 / b2') }}) + 8e0 * sqrt({{ lf_double('1e0 / b1 + 1e0 / b2') }}) + 12e0 / b2
            ) as high
        from spread

    ),

    place_points as (

        select
            bound.*,
            points.number,
            bound.low + (bound.high - bound.low) * points.number / 800e0 as logit
        from bound
        cross join points

    ),

    log_densities as (

        select
            *,
            1e0 / (1e0 + exp(-logit)) as share,
            a1 * logit - (a1 + a2) * ln(1e0 + exp(logit)) as log_a,
            b1 * logit - (b1 + b2) * ln(1e0 + exp(logit)) as log_b
        from place_points

    ),

    {#- Far below the peak is 1e-130: the product of two of them is no underflow, which PostgreSQL would refuse. #}
    densities as (

        select
            *,
            exp(greatest(log_a - max(log_a) over (partition by {{ keys | join(', ') }}), -300e0)) as density_a,
            exp(greatest(log_b - max(log_b) over (partition by {{ keys | join(', ') }}), -300e0)) as density_b
        from log_densities

    ),

    distributions as (

        select
            {{ keys | join(', ') }},
            share,
            density_a,
            density_b,
            sum(density_a) over ({{ up_to_here }}) - density_a / 2e0 as below_a,
            sum(density_b) over ({{ up_to_here }}) - density_b / 2e0 as below_b,
            sum(density_a * share) over ({{ up_to_here }}) - density_a * share / 2e0 as moment_a,
            sum(density_b * share) over ({{ up_to_here }}) - density_b * share / 2e0 as moment_b
        from densities

    )

    select
        {{ keys | join(', ') }},
        least(1e0, sum(density_b * below_a) / sum(density_a) / sum(density_b)) as chance,
        sum(density_a * (share * below_b - moment_b)) / sum(density_a) / sum(density_b) as loss_of_b,
        sum(density_b * (share * below_a - moment_a)) / sum(density_a) / sum(density_b) as loss_of_a
    from distributions
    group by {{ keys | join(', ') }}
{%- endmacro %}
