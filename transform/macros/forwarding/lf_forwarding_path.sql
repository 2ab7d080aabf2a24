{#- The value at a path of a rule of forwarding: `value`, JSON, is what stands at its first key; the further keys are columns of `row`. -#}
{% macro lf_forwarding_path(value, row, prefix='') -%}
    {%- set found = namespace(value=value) -%}
    {%- for number in range(2, 5) -%}
        {%- set key = row ~ '.' ~ prefix ~ 'key_' ~ number -%}
        {%- set found.value = 'case when ' ~ key ~ ' is null then ' ~ found.value ~ ' else ' ~ lf_json_value(found.value, key) ~ ' end' -%}
    {%- endfor -%}
    {{ found.value }}
{%- endmacro %}


{#- A condition: a JSON value holds something. Null, an empty text, an empty list and an empty object hold nothing. -#}
{% macro lf_forwarding_holds(value) -%}
    replace({{ lf_json_serialized(value) }}, ' ', '') not in ('null', '""', '[]', '{}')
{%- endmacro %}


{#- SHA-256, in hexadecimal digits, of a text without blanks around it, in small letters: as advertising tools compare addresses. -#}
{% macro lf_forwarding_hash(text) -%}
    {{ lf_sha256('lower(trim(' ~ text ~ '))') }}
{%- endmacro %}


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


{#- `true` or `false` of a text, as text; null where it is neither. -#}
{% macro lf_forwarding_boolean(text) -%}
    case {{ lf_boolean(text) }} when true then 'true' when false then 'false' end
{%- endmacro %}


{#- An ISO 8601 time of a text, as it is written; null of anything else. -#}
{% macro lf_forwarding_time(text) -%}
    case when {{ lf_second(text) }} is not null then {{ text }} end
{%- endmacro %}


{#-
    What is sent of a value, JSON; null where it cannot be made into what the rule asks for. Of the columns value, value_text, product, value_type, personal,
    has_items and is_document.
-#}
{% macro lf_forwarding_made() -%}
    case
        when personal = 'hash' and not is_document then {{ lf_json_string(lf_forwarding_hash('value_text')) }}
        when personal = 'mask' and not is_document then {{ lf_json_string("substr(value_text, 1, 1) || '***'") }}
        when personal is not null then null
        when value_type = 'number' and product is not null then {{ lf_json_of_text(lf_text('product')) }}
        when value_type = 'number' and not is_document then {{ lf_json_of_text(lf_text(lf_number('value_text'))) }}
        when value_type = 'boolean' and not is_document then {{ lf_json_of_text(lf_forwarding_boolean('value_text')) }}
        when value_type = 'text' and not is_document then {{ lf_json_string('value_text') }}
        when value_type = 'time' and not is_document then {{ lf_json_string(lf_forwarding_time('value_text')) }}
        when value_type = 'list' and not has_items then {{ lf_json_of_text("'[' || " ~ lf_json_serialized('value') ~ " || ']'") }}
        when value_type is null or value_type = 'list' then value
    end
{%- endmacro %}
