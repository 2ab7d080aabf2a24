{#- A text as what the column `operator` beside it compares: a number. Null where the text is none, or the operator compares none. -#}
{% macro lf_condition_number(text) -%}
    case
            when operator in ('at_least', 'at_most', 'more_than', 'less_than') then {{ lf_number(text) }}
            when operator in ('in', 'not_in') then {{ lf_json_number(text) }}
        end
{%- endmacro %}


{#- The same: a day, in UTC. -#}
{% macro lf_condition_day(text) -%}
    case when operator in ('since', 'before') then {{ lf_date(text) }} end
{%- endmacro %}
