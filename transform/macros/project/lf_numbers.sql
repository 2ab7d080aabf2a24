{#- A query of the integers from 0 to `count` - 1, at most 400, in the column `number`. -#}
{% macro lf_numbers(count) -%}
    select tens.number * 20 + ones.number as number
    from (
        {%- for number in range(20) %}
        select {{ number }} as number{{ ' union all' if not loop.last }}
        {%- endfor %}
    ) as tens
    cross join (
        {%- for number in range(20) %}
        select {{ number }} as number{{ ' union all' if not loop.last }}
        {%- endfor %}
    ) as ones
    where tens.number * 20 + ones.number < {{ count }}
{%- endmacro %}
