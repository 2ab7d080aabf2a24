{#- Schemas are named exactly as configured: staging, intermediate, marts, publish; no target prefix. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema if custom_schema_name is none else custom_schema_name | trim }}
{%- endmacro %}
