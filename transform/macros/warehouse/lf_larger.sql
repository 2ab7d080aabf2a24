{#- The larger of two numbers; where one is null, the other. Warehouses differ in what `greatest` makes of null. -#}
{% macro lf_larger(one, other) -%}
    coalesce(greatest({{ one }}, {{ other }}), {{ one }}, {{ other }})
{%- endmacro %}
