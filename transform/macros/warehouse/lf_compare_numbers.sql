{#-
    Whether two numbers compare so; null when one of them is null. `left` and `right` are columns with what `lf_number` reads of the texts `left_text` and `right_text`;
    `operator` is `>=`, `<=`, `>`, `<` or `=`.

    A double tells whole numbers apart up to 2^53 only. Where two doubles are equal beyond that, the digits decide.
-#}
{% macro lf_compare_numbers(left, operator, right, left_text, right_text) -%}
    case
        when {{ left }} = {{ right }} and abs({{ left }}) >= 9007199254740992
            then coalesce(
                {{ lf_whole_number(left_text) }} {{ operator }} {{ lf_whole_number(right_text) }}, {{ 'true' if '=' in operator else 'false' }}
            )
        else {{ left }} {{ operator }} {{ right }}
    end
{%- endmacro %}
