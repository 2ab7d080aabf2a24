{#-
    The `lf_cid` parameter, `experiment.slot.arm`, of a clicked link; null when it is absent or malformed.

    `;` may stand before it, because some clients hand back the `&amp;` of the message's HTML.
-#}
{% macro lf_cid(url) -%}
    {%- set key = "[a-z][a-z0-9_]*" -%}
    {{ return(adapter.dispatch('lf_cid', 'klaviyo_loop')(url, "[?&;]lf_cid=(" ~ key ~ "[.]" ~ key ~ "[.]" ~ key ~ ")([&#]|$)")) }}
{%- endmacro %}

{% macro default__lf_cid(url, pattern) -%}
    nullif(regexp_extract({{ url }}, '{{ pattern }}', 1), '')
{%- endmacro %}

{% macro postgres__lf_cid(url, pattern) -%}
    substring({{ url }} from '{{ pattern }}')
{%- endmacro %}

{% macro redshift__lf_cid(url, pattern) -%}
    nullif(regexp_substr({{ url }}, '{{ pattern }}', 1, 1, 'e'), '')
{%- endmacro %}

{% macro snowflake__lf_cid(url, pattern) -%}
    regexp_substr({{ url }}, '{{ pattern }}', 1, 1, 'e', 1)
{%- endmacro %}

{% macro bigquery__lf_cid(url, pattern) -%}
    {#- One capturing group is all that BigQuery allows. -#}
    regexp_extract({{ url }}, r'{{ pattern | replace("([&#]|$)", "(?:[&#]|$)") }}')
{%- endmacro %}
