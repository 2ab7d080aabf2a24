{#-
    Bucket 0..9999 of a unit: the first 8 hexadecimal digits of md5(salt || '-' || unit) modulo 10,000.

    `salt` and `unit` are SQL text expressions; a null gives a null bucket. 8 digits fit any signed 64-bit integer,
    so there is no sign and no overflow on any engine. Equal to Eppo's published sharder.
-#}
{% macro lf_bucket(salt, unit) -%}
    cast({{ lf_hex_to_bigint("substr(md5(" ~ salt ~ " || '-' || " ~ unit ~ "), 1, 8)") }} % 10000 as integer)
{%- endmacro %}


{#- A text of 8 hexadecimal digits as a bigint. -#}
{% macro lf_hex_to_bigint(hex) -%}
    {{ return(adapter.dispatch('lf_hex_to_bigint')(hex)) }}
{%- endmacro %}

{% macro default__lf_hex_to_bigint(hex) -%}
    cast('0x' || {{ hex }} as bigint)
{%- endmacro %}

{% macro postgres__lf_hex_to_bigint(hex) -%}
    cast(cast('x' || {{ hex }} as bit(32)) as bigint)
{%- endmacro %}
