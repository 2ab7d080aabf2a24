{#- Who is meant by what was pushed: the first of address, number and own id that can be one, as Klaviyo compares it. -#}

{#- An e-mail address without blanks around it; null where it can be none, or is of a domain that Klaviyo accepts and drops. -#}
{% macro lf_email_address(text) -%}
    case
        when lower({{ text }}) like '%@example.com' or lower({{ text }}) like '%@test.com' then null
        else {{ lf_text_of_pattern('trim(' ~ text ~ ')', '[^@ ]+@[^@ ]+[.][^@ .]+') }}
    end
{%- endmacro %}


{#- A phone number with its country's code, without blanks, hyphens and parentheses; null where it can be none. -#}
{% macro lf_phone_number(text) -%}
    {%- set digits = "replace(replace(replace(replace(" ~ text ~ ", ' ', ''), '-', ''), '(', ''), ')', '')" -%}
    {{ lf_text_of_pattern(digits, '[+][1-9][0-9]{6,14}') }}
{%- endmacro %}


{#- What tells people apart: kind and value of the first identifier that is told; null without any. -#}
{% macro lf_contact_key(email, phone_number, external_id, profile_id) -%}
    coalesce(
        'email:' || lower({{ email }}),
        'phone_number:' || {{ phone_number }},
        'external_id:' || {{ external_id }},
        'id:' || {{ profile_id }}
    )
{%- endmacro %}


{#- What a profile's address or number for a channel is found again by, without being told: the md5 of kind and value; null of push, which goes by the profile. -#}
{% macro lf_address_digest(channel, profile) -%}
    case
        when {{ channel }} like 'email%' then {{ lf_md5("'email:' || lower(trim(" ~ profile ~ ".email))") }}
        when {{ channel }} like 'sms%' or {{ channel }} like 'whatsapp%' then {{ lf_md5("'phone_number:' || " ~ profile ~ ".phone_number") }}
    end
{%- endmacro %}


{#- A condition: it was received so lately that it is still sent (`pushed_days`). -#}
{% macro lf_is_sent_still(received_at) -%}
    {{ received_at }} >= {{ lf_dateadd('day', -(lf_variable('pushed_days') | int), lf_now()) }}
{%- endmacro %}


{#- The list that who ordered or registered joins; null without one. -#}
{% macro lf_contacts_list() -%}
    {%- set list_id = lf_variable('contacts_list_id') -%}
    cast({{ 'null' if list_id is none else lf_literal(list_id) }} as {{ lf_type('varchar') }})
{%- endmacro %}
