{#-
    Always-valid (anytime) inference on a difference with standard error `se` over `n` units in both arms together:
    the asymptotic confidence sequence of Waudby-Smith et al. (arXiv 2103.06476), tightest near `sequential_tuning_units`.
    It may be looked at after every run without raising the error rate `alpha`.

    ρ² = (-2 ln α + ln(1 - 2 ln α)) / N*. The interval excludes 0 exactly when the p-value is below α.
-#}
{% macro lf_sequential_precision() -%}
    {%- set log_alpha = "ln(" ~ lf_double(lf_variable('alpha')) ~ ")" -%}
    ((-2e0 * {{ log_alpha }} + ln(1e0 - 2e0 * {{ log_alpha }})) / {{ lf_variable('sequential_tuning_units') }})
{%- endmacro %}


{#- Half the width of the 1 - α interval; null where the standard error is null or 0. -#}
{% macro lf_always_valid_half_width(se, n) -%}
    {%- set weight = "(" ~ n ~ " * " ~ lf_sequential_precision() ~ " + 1e0)" -%}
    nullif({{ se }}, 0) * sqrt(
        2e0 * {{ weight }} * ln(sqrt({{ weight }}) / {{ lf_variable('alpha') }}) / nullif({{ n }} * {{ lf_sequential_precision() }}, 0)
    )
{%- endmacro %}


{#- p-value of no difference; null where the standard error is null or 0. -#}
{% macro lf_always_valid_p(difference, se, n) -%}
    {%- set weight = "(" ~ n ~ " * " ~ lf_sequential_precision() ~ " + 1e0)" -%}
    {%- set z = "(" ~ difference ~ " / nullif(" ~ se ~ ", 0))" -%}
    case
        when {{ z }} is not null
            then least(1e0, sqrt({{ weight }}) * {{ lf_exp(
                "-0.5e0 * " ~ n ~ " * " ~ lf_sequential_precision() ~ " * " ~ z ~ " * " ~ z ~ " / " ~ weight
            ) }})
    end
{%- endmacro %}
