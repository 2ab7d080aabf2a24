{#-
    The `lf_cid` parameter, `experiment.slot.arm`, of a clicked link; null when it is absent or malformed.

    `;` may stand before it, because some clients hand back the `&amp;` of the message's HTML.
-#}
{% macro lf_cid(url) -%}
    {%- set key = "[a-z][a-z0-9_]*" -%}
    {{ return(adapter.dispatch('lf_cid')(url, "[?&;]lf_cid=(" ~ key ~ "[.]" ~ key ~ "[.]" ~ key ~ ")(?:[&#]|$)")) }}
{%- endmacro %}

{% macro duckdb__lf_cid(url, pattern) -%}
    nullif(regexp_extract({{ url }}, '{{ pattern }}', 1), '')
{%- endmacro %}
