{#-
    An expression over a document, null where the document does not hold `word` anywhere. Where documents are texts that are parsed anew by each
    expression, looking for the word first is many times faster; elsewhere the expression alone.
-#}
{% macro lf_json_if_named(document, word, expression) -%}
    {{ return(adapter.dispatch('lf_json_if_named', 'klaviyo_loop')(document, word, expression)) }}
{%- endmacro %}

{% macro default__lf_json_if_named(document, word, expression) -%}
    {{ expression }}
{%- endmacro %}

{% macro duckdb__lf_json_if_named(document, word, expression) -%}
    case when contains(cast({{ document }} as varchar), {{ lf_literal(word) }}) then {{ expression }} end
{%- endmacro %}
