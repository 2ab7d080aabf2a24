{#-
    What is true of every row, in one query: one test per model, because each takes dbt a tenth of a second, however few its rows are.

    A failing row is a key with the first thing that is wrong under it.

    Arguments:
        key: columns, or expressions, that are never null and together never twice.
        not_null: further columns that are never null.
        accepted_values: what texts a column may hold, by column; null is not looked at.
        checks: conditions by name; unknown counts as false.
        key_of: a model whose key, as its own test of this kind has it, is part of this one's.
        newest: column of a ledger by which only the rows of its newest value are looked at: those of before were, when they were.
-#}
{% test integrity(model, key, key_of=none, not_null=[], accepted_values={}, checks={}, newest=none) %}

{#- Hooks belong to models alone; what is asked while a test is compiled, its own session is told. -#}
{%- if execute and klaviyo_loop.lf_without_jit() -%}
    {%- do run_query(klaviyo_loop.lf_without_jit()) -%}
{%- endif -%}

{%- set key = key | list -%}
{%- for node in (graph.nodes.values() if execute and key_of else []) if node.attached_node == 'model.klaviyo_loop.' ~ key_of -%}
    {%- if node.test_metadata.name == 'integrity' -%}
        {%- do key.extend(node.test_metadata.kwargs.key) -%}
    {%- endif -%}
{%- endfor -%}

{%- set faults = {} -%}
{%- for column in key + not_null -%}
    {%- do faults.update({column ~ ' is null': column ~ ' is null'}) -%}
{%- endfor -%}
{%- for column, values in accepted_values.items() -%}
    {%- set texts = [] -%}
    {%- for value in values -%}
        {%- do texts.append(klaviyo_loop.lf_literal(value)) -%}
    {%- endfor -%}
    {%- do faults.update({column ~ ' has a value that is not accepted': column ~ ' not in (' ~ texts | join(', ') ~ ')'}) -%}
{%- endfor -%}
{%- for name, condition in checks.items() -%}
    {%- do faults.update({name ~ ' is false': 'not coalesce(' ~ condition ~ ', false)'}) -%}
{%- endfor -%}

select *
from (
    select
        {{ key | join(',\n        ') }},
        count(*) as row_count,
        coalesce(
            min(
                case
                    {%- for problem, condition in faults.items() %}
                    when {{ condition }} then {{ klaviyo_loop.lf_literal(problem) }}
                    {%- endfor %}
                end
            ),
            case when count(*) > 1 then 'the key is not unique' end
        ) as problem
    from {{ model }}
    {% if newest is not none -%}
    where {{ newest }} = (select max({{ newest }}) from {{ model }})
    {% endif -%}
    group by {{ key | join(', ') }}
) as found
where problem is not null

{% endtest %}
