{#-
    Always-valid p-value of a multinomial with known shares (Lindon and Malek, arXiv 2011.03567): the counts may be looked at after every
    event without raising the error rate. It is one over the Bayes factor of shares spread about the known ones, Dirichlet with `srm_concentration` times
    them, against the known ones.
-#}

{#-
    Logarithm of the gamma function for x > 0, a double column or expression (it is repeated): Stirling's series eight steps above. Absolute
    error below 5e-13 up to x = 100, relative below 2e-15 beyond.
-#}
{% macro lf_log_gamma(x) -%}
    {%- set z = "(" ~ x ~ " + 8e0)" -%}
    (
        ({{ z }} - 0.5e0) * ln({{ z }}) - {{ z }} + 9.189385332046727e-1
        + (1e0 / 12e0 - (1e0 / 360e0 - (1e0 / 1260e0 - (1e0 / 1680e0 - 1e0 / 1188e0 / {{ z }} / {{ z }}) / {{ z }} / {{ z }}) / {{ z }} / {{ z }}) / {{ z }} / {{ z }}) / {{ z }}
        {%- for step in range(8) %}
        - ln({{ x }} + {{ step }}e0)
        {%- endfor %}
    )
{%- endmacro %}


{#- What an arm of share `share` and `observed` units adds to the logarithm of the Bayes factor. -#}
{% macro lf_multinomial_term(observed, share) -%}
    {%- set prior = "(" ~ lf_double(var('srm_concentration')) ~ " * " ~ share ~ ")" -%}
    {{ lf_log_gamma("(" ~ prior ~ " + " ~ observed ~ ")") }} - {{ lf_log_gamma(prior) }} - {{ observed }} * ln({{ share }})
{%- endmacro %}


{#- The p-value of `total` units, from the sum of the terms of all arms. -#}
{% macro lf_multinomial_p(total, terms) -%}
    {%- set concentration = lf_double(var('srm_concentration')) -%}
    least(1e0, {{ lf_exp(
        "-(" ~ terms ~ " + " ~ lf_log_gamma(concentration) ~ " - " ~ lf_log_gamma("(" ~ concentration ~ " + " ~ total ~ ")") ~ ")"
    ) }})
{%- endmacro %}
