{#-
    Estimates from the sums of an arm: n, Σy, Σy², and where needed Σx, Σx², Σxy, which add over days and strata. Arguments are
    double columns or expressions. Variances are those of one unit.
-#}

{#- Square root of a square that rounding may have left below zero, which warehouses refuse; null of null. -#}
{% macro lf_root(square) -%}
    sqrt(case when {{ square }} > 0 then {{ square }} when {{ square }} <= 0 then 0e0 end)
{%- endmacro %}


{#- A standard error from its square; null where that is 0, or below 0 by rounding: no spread, no inference. -#}
{% macro lf_standard_error(square) -%}
    sqrt(case when {{ square }} > 0 then {{ square }} end)
{%- endmacro %}


{#- Sample variance; null for fewer than two units. -#}
{% macro lf_sample_variance(n, sum, squares) -%}
    ({{ squares }} - {{ sum }} * {{ sum }} / nullif({{ n }}, 0)) / nullif({{ n }} - 1e0, 0)
{%- endmacro %}


{#- Sample covariance. -#}
{% macro lf_sample_covariance(n, sum_x, sum_y, products) -%}
    ({{ products }} - {{ sum_x }} * {{ sum_y }} / nullif({{ n }}, 0)) / nullif({{ n }} - 1e0, 0)
{%- endmacro %}


{#- Variance of a share, m(1 - m). -#}
{% macro lf_share_variance(mean) -%}
    {{ mean }} * (1e0 - {{ mean }})
{%- endmacro %}


{#- Variance of one unit, by the kind of the outcome: of a share its own, of a mean that of the sample. -#}
{% macro lf_unit_variance(kind, n, total, squares) -%}
    case {{ kind }}
        when 'share' then {{ lf_share_variance('(' ~ total ~ ' / nullif(' ~ n ~ ', 0))') }}
        else {{ lf_sample_variance(n, total, squares) }}
    end
{%- endmacro %}


{#-
    The same of arms taken together. A share is that after one success and one failure more (Laplace), so that its variance is never 0, not even
    where nobody or everybody converted.
-#}
{% macro lf_pooled_variance(kind, n, total, squares) -%}
    case {{ kind }}
        when 'share' then {{ lf_share_variance('((' ~ total ~ ' + 1e0) / (' ~ n ~ ' + 2e0))') }}
        else {{ lf_sample_variance(n, total, squares) }}
    end
{%- endmacro %}


{#- Squared standard error of the difference of two arms whose units have one variance. -#}
{% macro lf_pooled_square(variance, n, control_n) -%}
    ({{ variance }} / nullif({{ n }}, 0) + {{ variance }} / nullif({{ control_n }}, 0))
{%- endmacro %}


{#-
    Squared standard error that decides about a difference: the larger of `square`, by the arms' own variances, and `pooled`, by that of the arms
    taken together. An arm with a handful of conversions, or without the large order that comes one day, has nearly no variance of its own, and
    its interval would exclude 0 by chance.
-#}
{% macro lf_decisive_square(square, pooled) -%}
    {{ lf_larger(square, pooled) if lf_variable('pool_variances') else square }}
{%- endmacro %}


{#- Variance of a ratio of means M/D by the delta method (Deng, Knoblich, Lu 2018): vM/D² + vD·M²/D⁴ - 2·cov·M/D³. -#}
{% macro lf_ratio_variance(mean_m, variance_m, mean_d, variance_d, covariance) -%}
    ({{ variance_m }} + ({{ variance_d }} * {{ mean_m }} / nullif({{ mean_d }}, 0) - 2e0 * {{ covariance }})
    * {{ mean_m }} / nullif({{ mean_d }}, 0)) / nullif({{ mean_d }} * {{ mean_d }}, 0)
{%- endmacro %}


{#-
    The slope of CUPED (Deng, Xu, Kohavi, Walker 2013), from the sums over both arms together; null without spread before.
    Within the arms it would be blind to a difference between them, and not the one that is published.
-#}
{% macro lf_cuped_theta(n, sum_y, sum_x, squares_x, products) -%}
    ({{ products }} - {{ sum_x }} * {{ sum_y }} / nullif({{ n }}, 0))
    / nullif({{ squares_x }} - {{ sum_x }} * {{ sum_x }} / nullif({{ n }}, 0), 0)
{%- endmacro %}


{#- Variance after CUPED: vy + θ²·vx - 2θ·cov. -#}
{% macro lf_cuped_variance(variance_y, theta, variance_x, covariance) -%}
    ({{ variance_y }} + {{ theta }} * ({{ theta }} * {{ variance_x }} - 2e0 * {{ covariance }}))
{%- endmacro %}


{#-
    Squared standard error of the relative difference (T - C)/|C|, whose control is itself an estimate: delta method, with the
    two arms' squared standard errors.
-#}
{% macro lf_relative_square(mean_t, square_t, mean_c, square_c) -%}
    (({{ square_t }} + {{ square_c }} * {{ mean_t }} * {{ mean_t }} / nullif({{ mean_c }} * {{ mean_c }}, 0))
    / nullif({{ mean_c }} * {{ mean_c }}, 0))
{%- endmacro %}


{#-
    The same after CUPED: `square_t` is the adjusted one of the arm, `mean_t` and `mean_c` are the means as they are, and the
    variances and the covariance are the control's.
-#}
{% macro lf_relative_cuped_square(mean_t, square_t, mean_c, variance_c, theta, variance_x, covariance, n_c) -%}
    (({{ square_t }} + (
        {{ variance_c }} * {{ mean_t }} * {{ mean_t }} / nullif({{ mean_c }} * {{ mean_c }}, 0)
        - 2e0 * {{ theta }} * {{ covariance }} * {{ mean_t }} / nullif({{ mean_c }}, 0)
        + {{ theta }} * {{ theta }} * {{ variance_x }}
    ) / nullif({{ n_c }}, 0)) / nullif({{ mean_c }} * {{ mean_c }}, 0))
{%- endmacro %}
