{#-
    What somebody opened or clicked with, `mobile` or `computer`, by what Klaviyo tells of the program; null where that says neither, as of
    webmail, whose images the provider fetches.
-#}
{% macro lf_device(client_type, client_os_family) -%}
    case
        when lower({{ client_os_family }}) in ('ios', 'ipados', 'android', 'windows phone') then 'mobile'
        when {{ lf_contains('lower(' ~ client_type ~ ')', "'mobile'") }} then 'mobile'
        when lower({{ client_os_family }}) in ('windows', 'os x', 'macos', 'mac os x', 'linux', 'chrome os') then 'computer'
    end
{%- endmacro %}
