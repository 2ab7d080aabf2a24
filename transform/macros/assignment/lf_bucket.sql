{#-
    Bucket 0..9999 of a unit: the first 8 hexadecimal digits of md5(salt || '-' || unit) modulo 10,000.

    `salt` and `unit` are SQL text expressions; a null gives a null bucket. 8 digits fit any signed 64-bit integer,
    so there is no sign and no overflow on any engine. Equal to Eppo's published sharder.
-#}
{% macro lf_bucket(salt, unit) -%}
    cast({{ lf_modulo(lf_hex_to_bigint("substr(" ~ lf_md5(salt ~ " || '-' || " ~ unit) ~ ", 1, 8)"), 10000) }} as {{ lf_type('integer') }})
{%- endmacro %}


{#- The md5 of a text's UTF-8 bytes, in 32 hexadecimal digits of lower case. -#}
{% macro lf_md5(text) -%}
    {{ return(adapter.dispatch('lf_md5', 'klaviyo_loop')(text)) }}
{%- endmacro %}

{% macro default__lf_md5(text) -%}
    md5({{ text }})
{%- endmacro %}

{% macro bigquery__lf_md5(text) -%}
    to_hex(md5({{ text }}))
{%- endmacro %}

{% macro trino__lf_md5(text) -%}
    lower(to_hex(md5(to_utf8({{ text }}))))
{%- endmacro %}


{#- A text of 8 hexadecimal digits as a bigint. -#}
{% macro lf_hex_to_bigint(hex) -%}
    {{ return(adapter.dispatch('lf_hex_to_bigint', 'klaviyo_loop')(hex)) }}
{%- endmacro %}

{% macro default__lf_hex_to_bigint(hex) -%}
    cast('0x' || {{ hex }} as {{ lf_type('bigint') }})
{%- endmacro %}

{% macro postgres__lf_hex_to_bigint(hex) -%}
    cast(cast('x' || {{ hex }} as bit(32)) as bigint)
{%- endmacro %}

{% macro spark__lf_hex_to_bigint(hex) -%}
    cast(conv({{ hex }}, 16, 10) as bigint)
{%- endmacro %}

{% macro snowflake__lf_hex_to_bigint(hex) -%}
    to_number({{ hex }}, 'XXXXXXXX')
{%- endmacro %}

{% macro redshift__lf_hex_to_bigint(hex) -%}
    strtol({{ hex }}, 16)
{%- endmacro %}

{% macro trino__lf_hex_to_bigint(hex) -%}
    from_base({{ hex }}, 16)
{%- endmacro %}


{#- The remainder of a number that is not negative. -#}
{% macro lf_modulo(number, divisor) -%}
    {{ return(adapter.dispatch('lf_modulo', 'klaviyo_loop')(number, divisor)) }}
{%- endmacro %}

{% macro default__lf_modulo(number, divisor) -%}
    {{ number }} % {{ divisor }}
{%- endmacro %}

{% macro bigquery__lf_modulo(number, divisor) -%}
    mod({{ number }}, {{ divisor }})
{%- endmacro %}
