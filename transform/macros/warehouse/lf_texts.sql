{#- What warehouses write differently about texts, comparisons and timestamps. -#}

{#- Whether a text contains another; null when either is null. -#}
{% macro lf_contains(text, part) -%}
    {{ return(adapter.dispatch('lf_contains', 'klaviyo_loop')(text, part)) }}
{%- endmacro %}

{% macro default__lf_contains(text, part) -%}
    position({{ part }} in {{ text }}) > 0
{%- endmacro %}

{% macro bigquery__lf_contains(text, part) -%}
    strpos({{ text }}, {{ part }}) > 0
{%- endmacro %}


{#- A text without its markup: everything between angle brackets. -#}
{% macro lf_without_tags(text) -%}
    {{ return(adapter.dispatch('lf_without_tags', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro default__lf_without_tags(text) -%}
    regexp_replace({{ text }}, '<[^>]*>', '')
{%- endmacro %}

{% macro duckdb__lf_without_tags(text) -%}
    regexp_replace({{ text }}, '<[^>]*>', '', 'g')
{%- endmacro %}

{% macro postgres__lf_without_tags(text) -%}
    regexp_replace({{ text }}, '<[^>]*>', '', 'g')
{%- endmacro %}

{% macro redshift__lf_without_tags(text) -%}
    {{ return(default__lf_without_tags(text)) }}
{%- endmacro %}


{#- The `number`th part, from 1, of a text of at least that many, parted by one character. -#}
{% macro lf_split_part(text, delimiter, number) -%}
    {{ return(adapter.dispatch('lf_split_part', 'klaviyo_loop')(text, delimiter, number)) }}
{%- endmacro %}

{% macro default__lf_split_part(text, delimiter, number) -%}
    split_part({{ text }}, '{{ delimiter }}', {{ number }})
{%- endmacro %}

{% macro bigquery__lf_split_part(text, delimiter, number) -%}
    split({{ text }}, '{{ delimiter }}')[safe_ordinal({{ number }})]
{%- endmacro %}


{#- Whether two values differ, where null equals null. -#}
{% macro lf_is_distinct(left, right) -%}
    {{ return(adapter.dispatch('lf_is_distinct', 'klaviyo_loop')(left, right)) }}
{%- endmacro %}

{% macro default__lf_is_distinct(left, right) -%}
    {{ left }} is distinct from {{ right }}
{%- endmacro %}

{% macro redshift__lf_is_distinct(left, right) -%}
    not ({{ left }} = {{ right }} or ({{ left }} is null and {{ right }} is null))
    or (({{ left }} is null) <> ({{ right }} is null))
{%- endmacro %}


{#- A timestamp moved by `number` (a SQL expression) of a `unit`: 'day', 'hour' or 'second'. -#}
{% macro lf_dateadd(unit, number, moment) -%}
    {{ return(adapter.dispatch('lf_dateadd', 'klaviyo_loop')(unit, number, moment)) }}
{%- endmacro %}

{% macro default__lf_dateadd(unit, number, moment) -%}
    dateadd({{ unit }}, {{ number }}, {{ moment }})
{%- endmacro %}

{% macro duckdb__lf_dateadd(unit, number, moment) -%}
    {{ moment }} + interval '1' {{ unit }} * ({{ number }})
{%- endmacro %}

{% macro postgres__lf_dateadd(unit, number, moment) -%}
    {{ moment }} + interval '1 {{ unit }}' * ({{ number }})
{%- endmacro %}

{% macro redshift__lf_dateadd(unit, number, moment) -%}
    {{ return(default__lf_dateadd(unit, number, moment)) }}
{%- endmacro %}

{% macro bigquery__lf_dateadd(unit, number, moment) -%}
    timestamp_add({{ moment }}, interval ({{ number }}) {{ unit }})
{%- endmacro %}

{% macro trino__lf_dateadd(unit, number, moment) -%}
    date_add('{{ unit }}', {{ number }}, {{ moment }})
{%- endmacro %}


{#- The beginning of the second that a timestamp is in: Klaviyo's times are whole seconds. -#}
{% macro lf_whole_second(moment) -%}
    {{ return(adapter.dispatch('lf_whole_second', 'klaviyo_loop')(moment)) }}
{%- endmacro %}

{% macro default__lf_whole_second(moment) -%}
    date_trunc('second', {{ moment }})
{%- endmacro %}

{% macro bigquery__lf_whole_second(moment) -%}
    timestamp_trunc({{ moment }}, second)
{%- endmacro %}


{#- The beginning of the hour that a timestamp is in. -#}
{% macro lf_whole_hour(moment) -%}
    {{ return(adapter.dispatch('lf_whole_hour', 'klaviyo_loop')(moment)) }}
{%- endmacro %}

{% macro default__lf_whole_hour(moment) -%}
    date_trunc('hour', {{ moment }})
{%- endmacro %}

{% macro bigquery__lf_whole_hour(moment) -%}
    timestamp_trunc({{ moment }}, hour)
{%- endmacro %}


{#- Days from the date of one timestamp to that of a later one. -#}
{% macro lf_days_between(earlier, later) -%}
    {{ return(adapter.dispatch('lf_days_between', 'klaviyo_loop')(earlier, later)) }}
{%- endmacro %}

{% macro default__lf_days_between(earlier, later) -%}
    datediff(day, cast({{ earlier }} as date), cast({{ later }} as date))
{%- endmacro %}

{% macro duckdb__lf_days_between(earlier, later) -%}
    date_diff('day', cast({{ earlier }} as date), cast({{ later }} as date))
{%- endmacro %}

{% macro postgres__lf_days_between(earlier, later) -%}
    (cast({{ later }} as date) - cast({{ earlier }} as date))
{%- endmacro %}

{% macro redshift__lf_days_between(earlier, later) -%}
    {{ return(default__lf_days_between(earlier, later)) }}
{%- endmacro %}

{% macro bigquery__lf_days_between(earlier, later) -%}
    date_diff(cast({{ later }} as date), cast({{ earlier }} as date), day)
{%- endmacro %}

{% macro trino__lf_days_between(earlier, later) -%}
    date_diff('day', cast({{ earlier }} as date), cast({{ later }} as date))
{%- endmacro %}


{#- Texts of a group in one, in the order of the alphabet, with commas between. -#}
{% macro lf_sorted_list(text) -%}
    {{ return(adapter.dispatch('lf_sorted_list', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro default__lf_sorted_list(text) -%}
    string_agg({{ text }}, ',' order by {{ text }})
{%- endmacro %}

{#- Sorting inside the aggregate takes twice as long. -#}
{% macro duckdb__lf_sorted_list(text) -%}
    array_to_string(list_sort(list({{ text }})), ',')
{%- endmacro %}

{% macro spark__lf_sorted_list(text) -%}
    array_join(array_sort(collect_list({{ text }})), ',')
{%- endmacro %}

{% macro snowflake__lf_sorted_list(text) -%}
    listagg({{ text }}, ',') within group (order by {{ text }})
{%- endmacro %}

{% macro redshift__lf_sorted_list(text) -%}
    listagg({{ text }}, ',') within group (order by {{ text }})
{%- endmacro %}

{% macro trino__lf_sorted_list(text) -%}
    array_join(array_sort(array_agg({{ text }})), ',')
{%- endmacro %}
