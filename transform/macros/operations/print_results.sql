{#-
    The rows of models, for whoever reads results through dbt instead of a connection of its own: lift-report does, on any warehouse.

        dbt --quiet run-operation print_results --args '{models: [fct_experiment_verdicts]}'

    Each model that is there is one line of JSON on standard output: `table`, the names of its `columns`, and its `rows`. Texts, booleans and nulls are those
    of JSON; a number is `{"number": text}`, a date or time `{"time": text}` in ISO 8601: their kind is told, and no digit is lost.
-#}
{% macro print_results(models) %}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name in models -%}
        {%- set relation = load_relation(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)) -%}
        {%- if relation is not none -%}
            {%- set found = run_query('select * from ' ~ relation) -%}
            {%- set rows = [] -%}
            {%- for row in found.rows -%}
                {%- set values = [] -%}
                {%- for value in row -%}
                    {%- do values.append(klaviyo_loop.lf_told_value(value)) -%}
                {%- endfor -%}
                {%- do rows.append(values) -%}
            {%- endfor -%}
            {%- do print(tojson({'table': node.name, 'columns': found.column_names | list, 'rows': rows})) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{% macro lf_told_value(value) %}
    {%- if value is none or value is boolean or value is string -%}
        {{ return(value) }}
    {%- elif value.isoformat is defined -%}
        {{ return({'time': value.isoformat()}) }}
    {%- else -%}
        {{ return({'number': value | string}) }}
    {%- endif -%}
{% endmacro %}
