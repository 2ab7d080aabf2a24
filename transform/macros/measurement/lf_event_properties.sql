{#-
    What events of some roles alone say in their document, by the name of its column in `stg_klaviyo__events`. For a model that reads every event and asks some of them: where a document is a text,
    a column that stands below a join is taken out of all of them, which of fifty million takes a third of their classification.
-#}
{% macro lf_event_properties(document) -%}
    {%- set properties = {
        'currency': lf_json_if_named(document, '$value_currency', lf_json_text(document, '$value_currency')),
        'url': lf_json_if_named(document, 'URL', lf_json_text(document, 'URL')),
    } -%}
    {%- set order_ids = [] -%}
    {%- for key in ('OrderId', 'order_id') -%}
        {%- do order_ids.append(lf_json_if_named(document, key, lf_json_text(document, key))) -%}
    {%- endfor -%}
    {%- do properties.update(order_id='coalesce(' ~ (order_ids + [lf_json_text(document, '$event_id')]) | join(', ') ~ ')') -%}
    {%- for column, key in {'is_machine_open': 'machine_open', 'is_bot_click': 'Bot Click'}.items() -%}
        {%- do properties.update({column: 'coalesce(' ~ lf_json_if_named(document, key, lf_json_is_true(document, key)) ~ ', false)'}) -%}
    {%- endfor -%}
    {{ return(properties) }}
{%- endmacro %}
