{#-
    Drops the table of each seed that the command is to load and whose columns are no longer those of its yml: dbt would load the file of this version into the table
    of another, which ends the run. What reads it is built anew by the same command or by the next of its job.
-#}
{% macro lf_drop_outdated_seeds() %}
    {%- if execute and flags.WHICH in ('build', 'seed') -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'seed' and node.package_name == 'klaviyo_loop' and node.unique_id in selected_resources -%}
            {%- set relation = adapter.get_relation(node.database, node.schema, node.alias) -%}
            {%- if relation is not none and lf_columns_held(relation) | sort != node.columns | list | sort -%}
                {%- do adapter.drop_relation(relation) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
