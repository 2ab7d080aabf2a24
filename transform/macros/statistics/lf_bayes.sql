{#-
    Posterior of a gain under a flat prior: normal with mean `gain` (the difference, signed so that more is better)
    and standard deviation `se`, a column that is positive or null.
-#}

{#- Probability that the arm is better than the control. -#}
{% macro lf_chance_to_win(gain, se) -%}
    {{ lf_phi("(" ~ gain ~ " / " ~ se ~ ")") }}
{%- endmacro %}


{#- What is lost per unit, on average, by choosing the arm where the control is better: σφ(μ/σ) - μΦ(-μ/σ). -#}
{% macro lf_expected_loss(gain, se) -%}
    {{ se }} * {{ lf_normal_density("(" ~ gain ~ " / " ~ se ~ ")") }}
    - {{ gain }} * ({{ lf_phi("(-" ~ gain ~ " / " ~ se ~ ")") }})
{%- endmacro %}
