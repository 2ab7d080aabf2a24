{#-
    How two numbers compare: -1 where the left one is less, 0 where they are equal, 1 where it is more; null where one of them is null. `left` and `right` are columns
    with what `lf_number` reads of the texts `left_text` and `right_text`.

    A double tells whole numbers apart up to 2^53 only. Where two doubles are equal beyond that, the digits decide.
-#}
{% macro lf_number_order(left, right, left_text, right_text) -%}
    case
        when {{ left }} < {{ right }} then -1
        when {{ left }} > {{ right }} then 1
        when {{ left }} = {{ right }} and abs({{ left }}) >= 9007199254740992 then case
            when {{ lf_whole_number(left_text) }} < {{ lf_whole_number(right_text) }} then -1
            when {{ lf_whole_number(left_text) }} > {{ lf_whole_number(right_text) }} then 1
            else 0
        end
        when {{ left }} = {{ right }} then 0
    end
{%- endmacro %}
