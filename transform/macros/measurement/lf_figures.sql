{#- Numbers as text, for the reason that a ledger keeps of a share. -#}

{% macro lf_figure(number, decimals) -%}
    {{ lf_text(lf_decimal('round(' ~ lf_decimal(number, 10) ~ ', ' ~ decimals ~ ')', decimals)) }}
{%- endmacro %}


{#- A difference with its sign: of a share in percentage points, else an amount per assigned profile. -#}
{% macro lf_signed_figure(difference, is_share) -%}
    case when {{ difference }} >= 0 then '+' else '' end || case
        when {{ is_share }} then {{ lf_figure("100e0 * " ~ difference, 2) }} || ' pp'
        else {{ lf_figure(difference, 4) }} || ' per profile'
    end
{%- endmacro %}
