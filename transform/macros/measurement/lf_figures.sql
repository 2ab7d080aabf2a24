{#- Numbers as text, for the sentences of a verdict. -#}

{% macro lf_figure(number, decimals) -%}
    {{ lf_text(lf_decimal('round(' ~ lf_decimal(number, 10) ~ ', ' ~ decimals ~ ')', decimals)) }}
{%- endmacro %}


{#- A difference with its sign: percentage points, for revenue an amount per assigned profile. -#}
{% macro lf_signed_figure(difference, metric) -%}
    case when {{ difference }} >= 0 then '+' else '' end || case
        when {{ metric }} in ('revenue', 'revenue_per_order') then {{ lf_figure(difference, 4) }} || ' per profile'
        else {{ lf_figure("100e0 * " ~ difference, 2) }} || ' pp'
    end
{%- endmacro %}


{#- A p-value; small ones by their bound. -#}
{% macro lf_p_figure(p) -%}
    case when {{ p }} < 1e-6 then 'p < 0.000001' else 'p = ' || {{ lf_figure(p, 6) }} end
{%- endmacro %}


{#- What a verdict needs at least, beside what there is: the columns least_received, converted and started_at. -#}
{% macro lf_minimum_figures() -%}
    {{ lf_text('least_received') }} || ' receipts in the smallest arm (of {{ var("min_received_per_arm") }}), '
    || {{ lf_text('converted') }} || ' conversions (of {{ var("min_conversions") }}), first receipt '
    || {{ lf_text('started_at') }} || ' UTC ({{ var('min_hours') }} h ago or more).'
{%- endmacro %}


{#- A share with its sign, in per cent. -#}
{% macro lf_percent_figure(share) -%}
    case when {{ share }} >= 0 then '+' else '' end || {{ lf_figure("100e0 * " ~ share, 1) }} || ' %'
{%- endmacro %}
