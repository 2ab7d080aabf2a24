{#-
    Always-valid p-value of a multinomial with known shares (Lindon and Malek, arXiv 2011.03567): the counts may be looked at after every
    event without raising the error rate. It is one over the Bayes factor of shares spread about the known ones against the known ones: the mean over
    Dirichlet distributions with each of `srm_concentrations` times them, a small one for small audiences, a large one for small deviations.
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


{#- What an arm of share `share` and `observed` units adds to the logarithm of the Bayes factor with a concentration. -#}
{% macro lf_multinomial_term(observed, share, concentration) -%}
    {%- set prior = "(" ~ lf_double(concentration) ~ " * " ~ share ~ ")" -%}
    {{ lf_log_gamma("(" ~ prior ~ " + " ~ observed ~ ")") }} - {{ lf_log_gamma(prior) }} - {{ observed }} * ln({{ share }})
{%- endmacro %}


{#- The logarithm of the Bayes factor of `total` units with a concentration, from the sum of the terms of all arms. -#}
{% macro lf_multinomial_evidence(total, terms, concentration) -%}
    {{ terms }} + {{ lf_log_gamma(lf_double(concentration)) }} - {{ lf_log_gamma("(" ~ lf_double(concentration) ~ " + " ~ total ~ ")") }}
{%- endmacro %}


{#- The p-value, from the logarithms of the Bayes factors with all concentrations: double columns (they are repeated). -#}
{% macro lf_multinomial_p(evidences) -%}
    {%- set largest = "greatest(" ~ evidences | join(", ") ~ ")" if evidences | length > 1 else evidences[0] -%}
    least(1e0, {{ lf_exp("least(-(" ~ largest ~ "), 700e0)") }} * {{ evidences | length }}e0 / (
        {%- for evidence in evidences %}{{ ' + ' if not loop.first }}{{ lf_exp(evidence ~ " - (" ~ largest ~ ")") }}{% endfor -%}
    ))
{%- endmacro %}


{#-
    A query: one row per key with whether its arms have the units that their weights promise. `arms` is a relation with `weight_bp` and `observed`; an
    arm of weight 0 expects nobody and takes no degree of freedom.

    Returned beside the key: `degrees`, `least_expected` units of an arm, `statistic` and `p_value_chi_square` of Pearson's test for one look, and
    `p_value`, always valid. The p-values are null while an arm expects fewer than `srm_min_expected`.
-#}
{% macro lf_multinomial_test(arms, key) -%}
    {%- set key = key | join(', ') -%}
    {%- set evidences = [] -%}
    {%- for concentration in lf_variable('srm_concentrations') -%}
        {%- do evidences.append('evidence_' ~ loop.index) -%}
    {%- endfor -%}
    with

    expect as (

        select
            *,
            {{ lf_double('weight_bp') }} / sum(weight_bp) over (partition by {{ key }}) as share,
            {{ lf_double('sum(observed) over (partition by ' ~ key ~ ')') }} as total

        from {{ arms }}
        where weight_bp > 0

    ),

    weigh as {{ lf_fence() }} (

        select
            *,
            share * total as expected,
            {%- for concentration in lf_variable('srm_concentrations') %}
            {{ lf_multinomial_term('observed', 'share', concentration) }} as multinomial_term_{{ loop.index }}{{ ',' if not loop.last }}
            {%- endfor %}

        from expect

    ),

    add_arms as {{ lf_fence() }} (

        select
            {{ key }},
            count(*) - 1 as degrees,
            min(expected) as least_expected,
            max(total) as total,
            {%- for concentration in lf_variable('srm_concentrations') %}
            sum(multinomial_term_{{ loop.index }}) as multinomial_terms_{{ loop.index }},
            {%- endfor %}
            sum((observed - expected) * (observed - expected) / nullif(expected, 0)) as statistic

        from weigh
        group by {{ key }}

    ),

    weigh_evidence as {{ lf_fence() }} (

        select
            *,
            {%- for concentration in lf_variable('srm_concentrations') %}
            {{ lf_multinomial_evidence('total', 'multinomial_terms_' ~ loop.index, concentration) }} as evidence_{{ loop.index }}{{ ',' if not loop.last }}
            {%- endfor %}

        from add_arms

    )

    select
        {{ key }},
        degrees,
        least_expected,
        statistic,
        case
            when statistic is not null and least_expected >= {{ lf_variable('srm_min_expected') }}
                then {{ lf_chi2_sf('statistic', 'degrees') }}
        end as p_value_chi_square,
        case
            when statistic is not null and degrees > 0 and least_expected >= {{ lf_variable('srm_min_expected') }}
                then {{ lf_multinomial_p(evidences) }}
        end as p_value

    from weigh_evidence
{%- endmacro %}
