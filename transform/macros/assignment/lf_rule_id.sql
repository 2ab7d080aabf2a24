{#-
    A bigint of 56 bits from the md5 of texts, each of which may be null: equal texts, equal ids, on every engine.
    `texts` is a list of SQL expressions.
-#}
{% macro lf_rule_id(texts) -%}
    {%- set parts = [] -%}
    {%- for text in texts -%}
        {%- do parts.append("coalesce(" ~ text ~ ", '')") -%}
    {%- endfor -%}
    {%- set hash = lf_md5(parts | join(" || '|' || ")) -%}
    {{ lf_hex_to_bigint("substr(" ~ hash ~ ", 1, 8)") }} * 16777216 + {{ lf_hex_to_bigint("'00' || substr(" ~ hash ~ ", 9, 6)") }}
{%- endmacro %}
