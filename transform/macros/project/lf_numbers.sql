{#- A query of the integers from 0 to `count` - 1, at most 8,000, in the column `number`. -#}
{% macro lf_numbers(count) -%}
    {%- set places = [1, 20, 400] if count > 400 else [1, 20] -%}
    select {% for place in places %}{{ place }} * by_{{ place }}.digit{{ ' + ' if not loop.last }}{% endfor %} as number
    from
        {%- for place in places %}
        {{ 'cross join ' if not loop.first }}(
            {%- for digit in range(20) %}
            select {{ digit }} as digit{{ ' union all' if not loop.last }}
            {%- endfor %}
        ) as by_{{ place }}
        {%- endfor %}
    where {% for place in places %}{{ place }} * by_{{ place }}.digit{{ ' + ' if not loop.last }}{% endfor %} < {{ count }}
{%- endmacro %}
