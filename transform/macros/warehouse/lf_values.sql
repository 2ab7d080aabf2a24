{#-
    What a text says: one macro per kind of value, of one meaning on every engine. Null where it says nothing of that kind.

    A warehouse's own casts differ: DuckDB's takes `NaN`, `1_000` and blanks around a number for numbers, Spark's `12d`, and PostgreSQL's ends the run. So a
    pattern decides what is read, and a cast reads only what all of them read alike.
-#}

{#-
    A number in decimal digits, with a sign, a point and an exponent if need be, as a double of a size below 1e305; below 1e-300 it is 0. No blanks, no separators,
    no `NaN`, no infinity.
-#}
{% macro lf_number(text) -%}
    {{ lf_number_below(text, '1e305') }}
{%- endmacro %}


{#- An amount of money: a number of a size below 1e15, so that its square can be summed. What is larger was never paid. -#}
{% macro lf_money(text) -%}
    {{ lf_number_below(text, '1e15') }}
{%- endmacro %}


{#-
    The length has room for every double that is written out, as PostgreSQL's jsonb does. The pattern does not count: PostgreSQL would take most of a
    millisecond for each text to follow counts of hundreds, and takes a fiftieth of that without.
-#}
{% macro lf_number_below(text, limit) -%}
    {%- set pattern = '[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]{1,3})?' -%}
    {%- set text = 'case when length(' ~ text ~ ') <= 345 then ' ~ text ~ ' end' -%}
    {{ return(adapter.dispatch('lf_number_below', 'klaviyo_loop')(lf_text_of_pattern(text, pattern), limit)) }}
{%- endmacro %}

{% macro default__lf_number_below(digits, limit) -%}
    {{ lf_if_below('try_cast(' ~ digits ~ ' as ' ~ lf_type('double') ~ ')', limit) }}
{%- endmacro %}

{% macro redshift__lf_number_below(digits, limit) -%}
    {{ return(default__lf_number_below(digits, limit)) }}
{%- endmacro %}

{% macro duckdb__lf_number_below(digits, limit) -%}
    {#- As a list of one, because DuckDB would read the text once for the condition and once more for the result. -#}
    list_transform([try_cast({{ digits }} as double)], lambda number: {{ lf_if_below('number', limit) }})[1]
{%- endmacro %}

{% macro bigquery__lf_number_below(digits, limit) -%}
    {{ lf_if_below('safe_cast(' ~ digits ~ ' as float64)', limit) }}
{%- endmacro %}

{% macro postgres__lf_number_below(digits, limit) -%}
    {#- There is no cast that may fail, and a double that overflows or vanishes ends the run; a numeric of so many digits does neither. -#}
    {%- set number = 'cast(' ~ digits ~ ' as numeric)' -%}
    case
        when abs({{ number }}) < 1e-307 then 0
        when abs({{ number }}) < 1e307 then {{ lf_if_below('cast(' ~ number ~ ' as double precision)', limit) }}
    end
{%- endmacro %}


{#- As doubles, so that all round alike before they compare. An infinity is not below anything. -#}
{% macro lf_if_below(number, limit) -%}
    case when abs({{ number }}) < 1e-300 then 0 when abs({{ number }}) < {{ limit }} then {{ number }} end
{%- endmacro %}


{#-
    A number as JSON writes one: without `+`, and without a zero before its digits. `007` and `+46` are names that look like numbers, and two of them are the
    same only if their texts are.
-#}
{% macro lf_json_number(text) -%}
    {%- set pattern = '-?(0|0[.eE][-+.eE0-9]+|[1-9][-+.eE0-9]*)' -%}
    {{ lf_number(lf_text_of_pattern(text, pattern)) }}
{%- endmacro %}


{#- A whole number that an integer holds, however it is written (`12`, `12.0`, `1.2e1`). -#}
{% macro lf_integer(text) -%}
    {%- set number = lf_number(text) -%}
    case when floor({{ number }}) = {{ number }} and abs({{ number }}) <= 2147483647 then cast({{ number }} as {{ lf_type('integer') }}) end
{%- endmacro %}


{#- A whole number of up to 38 digits, exactly. -#}
{% macro lf_whole_number(text) -%}
    {{ adapter.dispatch('lf_cast_whole_number', 'klaviyo_loop')(lf_text_of_pattern(text, '[-+]?[0-9]{1,38}')) }}
{%- endmacro %}

{% macro default__lf_cast_whole_number(text) -%}
    cast({{ text }} as decimal(38, 0))
{%- endmacro %}

{% macro bigquery__lf_cast_whole_number(text) -%}
    cast({{ text }} as bignumeric)
{%- endmacro %}


{#- True or false: the word in any case, or a number that is 1 or 0, as some writers send it. -#}
{% macro lf_boolean(text) -%}
    case
        when lower({{ text }}) = 'true' then true
        when lower({{ text }}) = 'false' then false
        when {{ lf_number(text) }} = 1 then true
        when {{ lf_number(text) }} = 0 then false
    end
{%- endmacro %}


{#-
    The day in UTC of an ISO 8601 date, alone or with a time, which is of UTC if it names no offset. In the first and the last year that there are it is
    the day as written: there may be none beyond. Casts from text leave offsets out without a word, at least DuckDB's. A column may be a date already:
    target-postgres makes dates of what a stream calls so.
-#}
{% macro lf_date(text) -%}
    {%- set day, time, offset = lf_time_patterns() -%}
    {%- set text = 'cast(' ~ text ~ ' as ' ~ lf_type('varchar') ~ ')' -%}
    {%- set at_minute = "cast(substr(" ~ text ~ ", 1, 10) || ' ' || substr(" ~ text ~ ", 12, 5) || ':00' as " ~ lf_type('timestamp') ~ ")" -%}
    {%- set minutes_behind = lf_offset_minutes(text, '-') ~ ' - ' ~ lf_offset_minutes(text, '+') -%}
    case
        when {{ lf_text_of_pattern(text, day ~ time ~ offset) }} is not null and substr({{ text }}, 1, 4) not in ('0001', '9999')
            then cast({{ lf_dateadd('second', '60 * (' ~ minutes_behind ~ ')', at_minute) }} as date)
        else cast(substr({{ lf_text_of_pattern(text, day ~ '(' ~ time ~ '(Z|' ~ offset ~ ')?)?') }}, 1, 10) as date)
    end
{%- endmacro %}


{#- Patterns of ISO 8601: of a day that there is, of a time with what stands before it, of an offset. -#}
{% macro lf_time_patterns() -%}
    {%- set leap_year = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)' -%}
    {%- set year = '([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)' -%}
    {%- set month_and_day = '((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))' -%}
    {%- set day = '(' ~ year ~ '-' ~ month_and_day ~ '|' ~ leap_year ~ '-02-29)' -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?' -%}
    {%- set offset = '[-+]([01][0-9]|2[0-3])(:?[0-5][0-9])?' -%}
    {{ return((day, time, offset)) }}
{%- endmacro %}


{#- The second in UTC of an ISO 8601 time with a date, which is of UTC if it names no offset; null of anything else. -#}
{% macro lf_second(text) -%}
    {{ return(adapter.dispatch('lf_second', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro duckdb__lf_second(text) -%}
    {#- Five times as fast as a pattern. An offset counts in a time with a time zone alone, and without one the session's would. -#}
    case
        when substr({{ text }}, 11, 1) in ('T', ' ') and length({{ text }}) >= 19
            then date_trunc('second', make_timestamp(epoch_us(try_cast(
                {{ text }} || case when regexp_matches(substr({{ text }}, 20), '[-+Z]') then '' else 'Z' end as timestamptz
            ))))
    end
{%- endmacro %}

{% macro default__lf_second(text) -%}
    {%- set day, _, offset = lf_time_patterns() -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?' -%}
    {%- set at_second = "cast(substr(" ~ text ~ ", 1, 10) || ' ' || substr(" ~ text ~ ", 12, 8) as " ~ lf_type('timestamp') ~ ")" -%}
    {%- set minutes_behind = lf_offset_minutes(text, '-') ~ ' - ' ~ lf_offset_minutes(text, '+') -%}
    case
        when {{ lf_text_of_pattern(text, day ~ time ~ offset) }} is not null and substr({{ text }}, 1, 4) not in ('0001', '9999')
            then {{ lf_dateadd('second', '60 * (' ~ minutes_behind ~ ')', at_second) }}
        when {{ lf_text_of_pattern(text, day ~ time ~ 'Z?') }} is not null then {{ at_second }}
    end
{%- endmacro %}


{#- Minutes of what follows the sign behind the time of day, `02:30`, `0230` or `02`; 0 where that sign is not there. -#}
{% macro lf_offset_minutes(text, sign) -%}
    {%- set digits = "replace(coalesce(" ~ lf_split_part("substr(" ~ text ~ ", 17)", sign, 2) ~ ", ''), ':', '')" -%}
    (
        60 * cast(coalesce(nullif(substr({{ digits }}, 1, 2), ''), '0') as {{ lf_type('integer') }})
        + cast(coalesce(nullif(substr({{ digits }}, 3, 2), ''), '0') as {{ lf_type('integer') }})
    )
{%- endmacro %}


{#-
    The text, where the whole of it is of the pattern; else null. What is in a pattern means the same to all engines: classes, groups, alternatives and
    counts, no backslash, and a parenthesis only for a group.
-#}
{% macro lf_text_of_pattern(text, pattern) -%}
    {{ return(adapter.dispatch('lf_text_of_pattern', 'klaviyo_loop')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__lf_text_of_pattern(text, pattern) -%}
    nullif(regexp_extract({{ text }}, {{ lf_literal('^(' ~ pattern ~ ')$') }}), '')
{%- endmacro %}

{% macro postgres__lf_text_of_pattern(text, pattern) -%}
    substring({{ text }} from {{ lf_literal('^(' ~ pattern ~ ')$') }})
{%- endmacro %}

{% macro spark__lf_text_of_pattern(text, pattern) -%}
    {#- Java's `$` would let a line break follow. -#}
    nullif(regexp_extract({{ text }}, {{ lf_literal('^(' ~ pattern ~ ')\\z') }}, 1), '')
{%- endmacro %}

{% macro snowflake__lf_text_of_pattern(text, pattern) -%}
    case when regexp_like({{ text }}, {{ lf_literal(pattern) }}) then {{ text }} end
{%- endmacro %}

{% macro bigquery__lf_text_of_pattern(text, pattern) -%}
    {#- One capturing group is all that BigQuery allows. -#}
    regexp_extract({{ text }}, {{ lf_literal('^(' ~ pattern | replace('(', '(?:') ~ ')$') }})
{%- endmacro %}

{% macro redshift__lf_text_of_pattern(text, pattern) -%}
    nullif(regexp_substr({{ text }}, {{ lf_literal('^(' ~ pattern ~ ')$') }}), '')
{%- endmacro %}

{% macro trino__lf_text_of_pattern(text, pattern) -%}
    regexp_extract({{ text }}, {{ lf_literal('^(' ~ pattern ~ ')\\z') }}, 1)
{%- endmacro %}
