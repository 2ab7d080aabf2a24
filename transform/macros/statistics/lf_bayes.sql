{#-
    Posterior of a gain: normal with mean `gain` (the difference, signed so that more is better) and standard deviation `se`, a
    column that is positive or null. Under a flat prior these are the estimate and its standard error.
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


{#- What is lost by staying with the control where the arm is better: σφ(μ/σ) + μΦ(μ/σ). -#}
{% macro lf_expected_loss_of_control(gain, se) -%}
    {{ se }} * {{ lf_normal_density("(" ~ gain ~ " / " ~ se ~ ")") }}
    + {{ gain }} * ({{ lf_phi("(" ~ gain ~ " / " ~ se ~ ")") }})
{%- endmacro %}


{#-
    Mean of the posterior under the prior N(0, `prior`): large effects are rare, so that an estimate
    that is uncertain is drawn towards none. `se` is positive or null.
-#}
{% macro lf_shrunken_mean(difference, se, prior) -%}
    {{ difference }} * {{ prior }} * {{ prior }} / ({{ prior }} * {{ prior }} + {{ se }} * {{ se }})
{%- endmacro %}


{#-
    A relative lift less what is owed to having been noticed: `lift` times 1 - 3/z², never below 0 times, where z is the estimate in standard errors `se`
    (positive or null). What is looked at until its interval clears zero is found at a fortunate moment (winner's curse). Three is what leaves lifts
    of 5 to 100 % without bias at that moment, on average: see DECISIONS.
-#}
{% macro lf_corrected_lift(lift, effect, se) -%}
    {{ lift }} * greatest(1e0 - 3e0 * {{ se }} * {{ se }} / nullif({{ effect }} * {{ effect }}, 0), 0e0)
{%- endmacro %}
