{#-
    Whether two texts are numbers that compare so; null when one of them is no number. `operator` is `>=`, `<=`, `>` or `<`.

    A double tells whole numbers apart up to 2^53 only. Where two doubles are equal beyond that, the digits decide.
-#}
{% macro lf_compare_numbers(left, operator, right) -%}
    case
        when {{ lf_number(left) }} = {{ lf_number(right) }} and abs({{ lf_number(left) }}) >= 9007199254740992
            then coalesce({{ lf_whole_number(left) }} {{ operator }} {{ lf_whole_number(right) }}, {{ 'true' if '=' in operator else 'false' }})
        else {{ lf_number(left) }} {{ operator }} {{ lf_number(right) }}
    end
{%- endmacro %}
