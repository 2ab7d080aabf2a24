{#-
    What events of some roles alone say in their document, by the name of its column in `stg_klaviyo__events`. For a model that reads every event and asks some of them: where a document is a text,
    a column that stands below a join is taken out of all of them, which of fifty million takes a third of their classification.
-#}
{% macro lf_event_properties(document) -%}
    {%- set order_ids = [
        lf_json_if_named(document, 'OrderId', lf_json_text(document, 'OrderId')),
        lf_json_if_named(document, 'order_id', lf_json_text(document, 'order_id')),
        lf_json_text(document, '$event_id'),
    ] -%}
    {{ return({
        'order_id': 'coalesce(' ~ order_ids | join(', ') ~ ')',
        'currency': lf_json_if_named(document, '$value_currency', lf_json_text(document, '$value_currency')),
        'url': lf_json_if_named(document, 'URL', lf_json_text(document, 'URL')),
        'is_machine_open': 'coalesce(' ~ lf_json_if_named(document, 'machine_open', lf_json_is_true(document, 'machine_open')) ~ ', false)',
        'is_bot_click': 'coalesce(' ~ lf_json_if_named(document, 'Bot Click', lf_json_is_true(document, 'Bot Click')) ~ ', false)',
    }) }}
{%- endmacro %}
