{#- SHA-256 of a text, in hexadecimal digits. -#}
{% macro lf_sha256(text) -%}
    {{ return(adapter.dispatch('lf_sha256', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro duckdb__lf_sha256(text) -%}
    sha256({{ text }})
{%- endmacro %}

{% macro postgres__lf_sha256(text) -%}
    encode(sha256(convert_to({{ text }}, 'UTF8')), 'hex')
{%- endmacro %}

{% macro spark__lf_sha256(text) -%}
    sha2({{ text }}, 256)
{%- endmacro %}

{% macro snowflake__lf_sha256(text) -%}
    sha2({{ text }}, 256)
{%- endmacro %}

{% macro bigquery__lf_sha256(text) -%}
    to_hex(sha256({{ text }}))
{%- endmacro %}

{% macro redshift__lf_sha256(text) -%}
    sha2({{ text }}, 256)
{%- endmacro %}

{% macro trino__lf_sha256(text) -%}
    lower(to_hex(sha256(to_utf8({{ text }}))))
{%- endmacro %}
