{#- A timestamp moved by months: the same day and time of day, or the last day of a shorter month. `months` is a SQL expression. -#}
{% macro lf_add_months(months, moment) -%}
    {{ return(adapter.dispatch('lf_add_months', 'klaviyo_loop')(months, moment)) }}
{%- endmacro %}

{% macro default__lf_add_months(months, moment) -%}
    dateadd(month, {{ months }}, {{ moment }})
{%- endmacro %}

{% macro duckdb__lf_add_months(months, moment) -%}
    {{ moment }} + interval '1' month * ({{ months }})
{%- endmacro %}

{% macro postgres__lf_add_months(months, moment) -%}
    {{ moment }} + interval '1 month' * ({{ months }})
{%- endmacro %}

{% macro redshift__lf_add_months(months, moment) -%}
    {{ return(default__lf_add_months(months, moment)) }}
{%- endmacro %}

{% macro bigquery__lf_add_months(months, moment) -%}
    timestamp(datetime_add(datetime({{ moment }}), interval ({{ months }}) month))
{%- endmacro %}

{% macro trino__lf_add_months(months, moment) -%}
    date_add('month', {{ months }}, {{ moment }})
{%- endmacro %}
