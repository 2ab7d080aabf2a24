{#-
    An append-only mart as earlier runs left it. Not a `ref`: what reads it decides what this run appends to it, which
    would be a circle. The table is always there, because it is created before the first model (lf_create_missing_tables).
-#}
{% macro lf_ledger(name) -%}
    {{ api.Relation.create(database=target.get('database'), schema='marts', identifier=name, type='table') }}
{%- endmacro %}
