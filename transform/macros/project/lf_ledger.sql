{#-
    An append-only mart as earlier runs left it. Not a `ref`: what reads it decides what this run appends to it, which
    would be a circle. The table is always there, because it is created before the first model (lf_create_missing_tables).
-#}
{% macro lf_ledger(name) -%}
    {#- Where it is, only the graph knows, which is there once everything is parsed. Until then any place will do; dbt 1.11 refuses none. -#}
    {%- set elsewhere = {'database': target.database, 'schema': target.schema, 'alias': name} -%}
    {%- set node = graph.nodes['model.klaviyo_loop.' ~ name] if execute else elsewhere -%}
    {{ api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias, type='table') }}
{%- endmacro %}
