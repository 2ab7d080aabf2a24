{#-
    Who was shown what, for whoever reads it through dbt instead of a connection of its own: exposure-export does, on any warehouse. Lines of JSON on standard
    output, `{"exposures": [rows]}`, whose values are those of `print_results`.

    `fct_exposures` is read in pieces, since dbt holds the rows of a query as a whole:

        dbt --quiet run-operation print_exposure_hours --args '{start: 2026-11-01 00:00:00, end: 2026-11-02 00:00:00}'
        dbt --quiet run-operation print_exposures --args '{pieces: [{hours: [2026-11-01 08:00:00], part: 0, parts: 1}], columns: [exposure_id]}'
-#}

{#- Of each hour from `start` (null: the first) until `end`: its beginning, the number of rows, and the sum of their hashes. -#}
{% macro print_exposure_hours(start, end) %}
    {%- set query -%}
        select
            exposed_in_hour,
            count(*) as exposures,
            sum(row_hash) as row_hashes
        from {{ klaviyo_loop.lf_exposures() }}
        where
            exposed_at < {{ klaviyo_loop.lf_hour_told(end) }}
            {%- if start is not none %}
            and exposed_at >= {{ klaviyo_loop.lf_hour_told(start) }}
            {%- endif %}
        group by exposed_in_hour
    {%- endset -%}
    {%- do klaviyo_loop.lf_print_exposures(query) -%}
{% endmacro %}


{#- The rows of each piece, one after the other: of some hours, or of one of the `parts` of an hour. -#}
{% macro print_exposures(pieces, columns) %}
    {%- for piece in pieces -%}
        {%- set hours = [] -%}
        {%- for hour in piece.hours -%}
            {%- do hours.append(klaviyo_loop.lf_hour_told(hour)) -%}
        {%- endfor -%}
        {%- set query -%}
            select {{ columns | join(', ') }}
            from {{ klaviyo_loop.lf_exposures() }}
            where
                exposed_at >= {{ hours | first }}
                and exposed_at < {{ klaviyo_loop.lf_dateadd('hour', 1, hours | last) }}
                and exposed_in_hour in ({{ hours | join(', ') }})
                {%- if piece.parts > 1 %}
                and {{ klaviyo_loop.lf_modulo('row_hash', piece.parts) }} = {{ piece.part }}
                {%- endif %}
            order by exposed_at, exposure_id
        {%- endset -%}
        {%- do klaviyo_loop.lf_print_exposures(query) -%}
    {%- endfor -%}
{% endmacro %}


{% macro lf_print_exposures(query) %}
    {%- set lines = namespace(rows=[]) -%}
    {%- for row in run_query(query).rows -%}
        {%- set values = [] -%}
        {%- for value in row -%}
            {%- do values.append(klaviyo_loop.lf_told_value(value)) -%}
        {%- endfor -%}
        {%- do lines.rows.append(values) -%}
        {%- if loop.last or lines.rows | length == 500 -%}
            {%- do print(tojson({'exposures': lines.rows})) -%}
            {%- set lines.rows = [] -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}


{% macro lf_exposures() -%}
    {%- set node = graph.nodes['model.klaviyo_loop.fct_exposures'] -%}
    {%- set relation = load_relation(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)) -%}
    {%- if relation is none -%}
        {%- do exceptions.raise_compiler_error('`fct_exposures` is not there: build it with `dbt build --selector exposures`') -%}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}


{% macro lf_hour_told(text) -%}
    {{ return('cast(' ~ klaviyo_loop.lf_literal(text) ~ ' as ' ~ klaviyo_loop.lf_type('timestamp') ~ ')') }}
{%- endmacro %}
