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


{#- `true` or `false` of a text, as text; null where it is neither. -#}
{% macro lf_forwarding_boolean(text) -%}
    case {{ lf_boolean(text) }} when true then 'true' when false then 'false' end
{%- endmacro %}


{#- An ISO 8601 time of a text, as it is written; null of anything else. -#}
{% macro lf_forwarding_time(text) -%}
    case when {{ lf_second(text) }} is not null then {{ text }} end
{%- endmacro %}


{#-
    What a rule's value is made of, as columns: of value, JSON, of the factor by which it is multiplied, of times_root and value_type. A product is a number; without its
    second factor it is the first.
-#}
{% macro lf_forwarding_read() -%}
    case when times_root is null then value_type else coalesce(value_type, 'number') end as value_type,
        value,
        {{ lf_json_scalar('value') }} as value_text,
        case
            when times_root is not null
                then {{ lf_money(lf_json_scalar('value')) }} * coalesce({{ lf_money(lf_json_scalar('factor')) }}, 1)
        end as product,
        substr(trim({{ lf_json_serialized('value') }}), 1, 1) = '[' as has_items,
        substr(trim({{ lf_json_serialized('value') }}), 1, 1) in ('[', '{') as is_document
{%- endmacro %}


{#-
    What is sent of a value, JSON; null where it cannot be made into what the rule asks for. Of the columns of `lf_forwarding_read` and of personal.
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
