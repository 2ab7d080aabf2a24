{#- Numbers as text, for the reason that a ledger keeps of a share. -#}

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
