{#-
    p-values adjusted for being several, in two steps, because a window function cannot hold another: first the step of each row, then
    the running extreme over the steps. `family` is the columns that name a family, `tie` decides among equal p-values. What has no
    p-value counts for nothing and gets none.
-#}

{#- Holm: p times the number of those not smaller. -#}
{% macro lf_holm_step(p, family, tie) -%}
    {{ p }} * (
        count({{ p }}) over (partition by {{ family }}) + 1
        - row_number() over (
            partition by {{ family }}
            order by case when {{ p }} is null then 1 else 0 end, {{ p }}, {{ tie }}
        )
    )
{%- endmacro %}

{% macro lf_holm(p, step, family, tie) -%}
    case
        when {{ p }} is not null
            then least(1e0, max({{ step }}) over (
                partition by {{ family }}
                order by case when {{ p }} is null then 1 else 0 end, {{ p }}, {{ tie }}
                rows between unbounded preceding and current row
            ))
    end
{%- endmacro %}


{#- Benjamini and Hochberg: p times the number of tests, over its rank. -#}
{% macro lf_bh_step(p, family, tie) -%}
    {{ p }} * count({{ p }}) over (partition by {{ family }}) / row_number() over (
        partition by {{ family }}
        order by case when {{ p }} is null then 1 else 0 end, {{ p }}, {{ tie }}
    )
{%- endmacro %}

{% macro lf_bh(p, step, family, tie) -%}
    case
        when {{ p }} is not null
            then least(1e0, min({{ step }}) over (
                partition by {{ family }}
                order by case when {{ p }} is null then 1 else 0 end, {{ p }}, {{ tie }}
                rows between current row and unbounded following
            ))
    end
{%- endmacro %}
