{#-
    Upper tail of the χ² distribution, P(χ² > x), for an integer column `degrees` from 1 to `max_degrees`; null outside.

    The finite sums are exact: even degrees e^(-x/2) Σ (x/2)^j / j!, odd degrees 2Φ(-√x) + 2φ(√x) Σ x^(r-1/2) / (1·3·…·(2r-1)).
    `x` is a double column (it is repeated).
-#}
{% macro lf_chi2_sf(x, degrees, max_degrees=19) -%}
    case {{ degrees }}
        {%- for k in range(1, max_degrees + 1) %}
        when {{ k }} then {{ lf_chi2_sf_even(x, k) if k % 2 == 0 else lf_chi2_sf_odd(x, k) }}
        {%- endfor %}
    end
{%- endmacro %}


{% macro lf_chi2_sf_even(x, degrees) -%}
    {%- set sum = namespace(text='1e0') -%}
    {%- for j in range(degrees // 2 - 1, 0, -1) -%}
        {%- set sum.text = "(1e0 + " ~ x ~ " / " ~ 2 * j ~ "e0 * " ~ sum.text ~ ")" -%}
    {%- endfor -%}
    {{ lf_exp("-0.5e0 * " ~ x) }} * {{ sum.text }}
{%- endmacro %}


{% macro lf_chi2_sf_odd(x, degrees) -%}
    {%- set sum = namespace(text='0e0') -%}
    {%- for r in range((degrees - 1) // 2, 0, -1) -%}
        {%- set sum.text = (
            "sqrt(" ~ x ~ ") * (1e0 + " ~ sum.text ~ ")" if r == 1
            else x ~ " / " ~ (2 * r - 1) ~ "e0 * (1e0 + " ~ sum.text ~ ")"
        ) -%}
    {%- endfor -%}
    2e0 * ({{ lf_phi("(-sqrt(" ~ x ~ "))") }})
        {%- if degrees > 1 %} + 2e0 * {{ lf_normal_density("sqrt(" ~ x ~ ")") }} * {{ sum.text }}{% endif %}
{%- endmacro %}
