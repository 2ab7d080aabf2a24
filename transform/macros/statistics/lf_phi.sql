{#-
    Standard normal distribution function Φ(x) of a double column or expression `x` (it is repeated: pass a column).

    Hart's rational approximation as published by West (2005); absolute error below 3e-16. Everything is kept above its
    underflow, which is an error on PostgreSQL.
-#}
{% macro lf_phi(x) -%}
    {%- set a = lf_magnitude(x) -%}
    {%- set upper = [
        '7.00383064443688e-1', '6.37396220353165e0', '3.3912866078383e1', '1.12079291497871e2',
        '2.21213596169931e2', '2.20206867912376e2',
    ] -%}
    {%- set lower = [
        '1.75566716318264e0', '1.6064177579207e1', '8.67807322029461e1', '2.96564248779674e2',
        '6.37333633378831e2', '7.93826512519948e2', '4.40413735824752e2',
    ] -%}
    {%- set tail -%}
        {{ lf_exp("-0.5e0 * " ~ a ~ " * " ~ a) }} * case
            when {{ a }} < 7.07106781186547e0
                then {{ lf_horner('3.52624965998911e-2', upper, a) }} / {{ lf_horner('8.83883476483184e-2', lower, a) }}
            else 1e0 / ({{ a }} + 1e0 / ({{ a }} + 2e0 / ({{ a }} + 3e0 / ({{ a }} + 4e0 / ({{ a }} + 0.65e0)))))
                / 2.506628274631e0
        end
    {%- endset -%}
    case when {{ x }} > 0 then 1e0 - {{ tail }} else {{ tail }} end
{%- endmacro %}


{#- |x|, never so small that its square would underflow; nothing is added to what is larger than 1e-84. -#}
{% macro lf_magnitude(x) -%}
    (abs({{ x }}) + {{ lf_double("'1e-100'") }})
{%- endmacro %}


{#- Polynomial in `x` by Horner's rule: the leading coefficient, then the others downwards. -#}
{% macro lf_horner(leading, coefficients, x) -%}
    {%- set sum = namespace(text=leading) -%}
    {%- for coefficient in coefficients -%}
        {%- set sum.text = "(" ~ sum.text ~ " * " ~ x ~ " + " ~ coefficient ~ ")" -%}
    {%- endfor -%}
    {{ sum.text }}
{%- endmacro %}


{#- EXP that gives about 1e-304 where it would underflow: PostgreSQL raises an error there. -#}
{% macro lf_exp(x) -%}
    exp(greatest({{ lf_double(x) }}, -700e0))
{%- endmacro %}


{#- Standard normal density φ(x). -#}
{% macro lf_normal_density(x) -%}
    3.989422804014327e-1 * {{ lf_exp("-0.5e0 * " ~ lf_magnitude(x) ~ " * " ~ lf_magnitude(x)) }}
{%- endmacro %}
