{#-
    Standing alone, schemas are named exactly as configured: staging, intermediate, marts, publish; no target prefix. In another project, as that one names its
    own: by its `generate_schema_name`, else by dbt's, `<schema of the target>_marts`, so that whoever develops has schemas of their own. What the variable
    `schemas` names is named so in both. DuckDB makes no view that reads a schema called as its file is: there `klaviyo` in `klaviyo.duckdb` is `klaviyo_views`. dbt asks this macro for this project's models and seeds alone.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set layer = (custom_schema_name or '') | trim -%}
    {%- set names = lf_variable('schemas') -%}
    {%- if layer in names -%}
        {{ names[layer] }}
    {%- elif project_name == 'klaviyo_loop' -%}
        {{ layer ~ '_views' if target.type == 'duckdb' and layer == target.database else layer or target.schema }}
    {%- elif context[project_name] is defined and context[project_name]['generate_schema_name'] is defined -%}
        {{ context[project_name]['generate_schema_name'](custom_schema_name, node) }}
    {%- else -%}
        {{ dbt.generate_schema_name(custom_schema_name, node) }}
    {%- endif -%}
{%- endmacro %}
