{#-
    What a consent is for: its name here, where a profile's `subscriptions` tell of it, how the property `$consent` calls it (none: it does not name it), and whether somebody joins a list by it.
-#}
{% macro lf_consent_channels() -%}
    {{ return([
        {'name': 'email', 'place': 'email', 'purpose': 'marketing', 'form_name': 'email', 'has_lists': true},
        {'name': 'email_open_tracking', 'place': 'email', 'purpose': 'open_tracking', 'form_name': none, 'has_lists': false},
        {'name': 'email_click_tracking', 'place': 'email', 'purpose': 'click_tracking', 'form_name': none, 'has_lists': false},
        {'name': 'sms', 'place': 'sms', 'purpose': 'marketing', 'form_name': 'sms', 'has_lists': true},
        {'name': 'sms_transactional', 'place': 'sms', 'purpose': 'transactional', 'form_name': none, 'has_lists': false},
        {'name': 'whatsapp', 'place': 'whatsapp', 'purpose': 'marketing', 'form_name': 'whatsapp', 'has_lists': true},
        {'name': 'whatsapp_transactional', 'place': 'whatsapp', 'purpose': 'transactional', 'form_name': none, 'has_lists': false},
        {'name': 'push', 'place': 'mobile_push', 'purpose': 'marketing', 'form_name': 'push', 'has_lists': true},
    ]) }}
{%- endmacro %}


{#- Names of the channels, as a list in SQL. -#}
{% macro lf_consent_channel_names(with_lists_only=false) -%}
    {%- set names = [] -%}
    {%- for channel in lf_consent_channels() if channel.has_lists or not with_lists_only -%}
        {%- do names.append("'" ~ channel.name ~ "'") -%}
    {%- endfor -%}
    {{ names | join(', ') }}
{%- endmacro %}
