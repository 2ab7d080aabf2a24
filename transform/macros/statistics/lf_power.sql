{#-
    Planning: what a sample can find. Arguments are double columns or expressions.
-#}

{#-
    Variance of one unit of an arm that is better by a relative `effect`, from mean and variance of the control's: of a share its own; of a mean that of
    more units who bring as much as before.
-#}
{% macro lf_lifted_variance(kind, mean, variance, effect) -%}
    {%- if kind == 'share' -%}
        {{ lf_share_variance("(" ~ mean ~ " * (1e0 + " ~ effect ~ "))") }}
    {%- else -%}
        ({{ variance }} * (1e0 + {{ effect }}))
    {%- endif -%}
{%- endmacro %}


{#- Chance that a two-sided test with half-width `half_width` finds an effect whose estimate has standard error `se`. -#}
{% macro lf_power(effect, se, half_width) -%}
    (1e0 - ({{ lf_phi("((" ~ half_width ~ " - " ~ effect ~ ") / " ~ se ~ ")") }})
    + ({{ lf_phi("((-" ~ half_width ~ " - " ~ effect ~ ") / " ~ se ~ ")") }}))
{%- endmacro %}


{#-
    Smallest relative effect that a fixed-time test finds with the planned power, for arms of one mean and one squared standard error
    `square` each: the root of a quadratic, because the control's mean is itself estimated. `k` is Φ⁻¹(1 - α/2) + Φ⁻¹(power). Null where
    no effect is large enough.
-#}
{% macro lf_relative_mde(mean, square, k) -%}
    {%- set gap = "(1e0 - " ~ square ~ " * " ~ k ~ " * " ~ k ~ " / (" ~ mean ~ " * " ~ mean ~ "))" -%}
    case
        when {{ gap }} > 0
            then ((
                {{ mean }} + sqrt({{ mean }} * {{ mean }} - {{ gap }} * ({{ mean }} * {{ mean }} - {{ k }} * {{ k }} * {{ square }}))
            ) / {{ gap }} - {{ mean }}) / {{ mean }}
    end
{%- endmacro %}


{#-
    A query of the rows of `source` with the column `needed`: how many times as many units an always-valid interval needs to find `effect`
    with the planned power, given the standard error `se` over `n` units now. `z` is Φ⁻¹(power).

    It is the solution of half-width(rn) + z·se/√r = effect by repeated substitution, which converges because the half-width in standard
    errors changes with the logarithm of n only.
-#}
{% macro lf_units_needed(source, effect, se, n, z, rounds=6) -%}
    with
    {% for round in range(rounds) %}
    {#- Evaluated one after the other: put into each other, the text would grow sevenfold with each round. #}
    round_{{ round }} as {{ lf_fence() }} (

        select
            *,
            power(
                ({{ lf_always_valid_half_width("1e0", n if round == 0 else "(" ~ n ~ " * needed_" ~ round ~ ")") }} + {{ z }})
                * {{ se }} / nullif({{ effect }}, 0), 2
            ) as needed_{{ round + 1 }}
        from {{ source if round == 0 else "round_" ~ (round - 1) }}

    ){{ ',' if not loop.last }}
    {% endfor %}
    select
        *,
        needed_{{ rounds }} as needed
    from round_{{ rounds - 1 }}
{%- endmacro %}
