{#- What is measured, beside `received`, in the order in which it happens; further goals by the role of their metric. -#}
{% macro lf_metrics() -%}
    {{ return([
        'opened', 'opened_all', 'clicked', 'clicked_all', 'ordered', 'revenue', 'revenue_per_order', 'unsubscribed', 'complained', 'bounced',
    ] + var('further_goals')) }}
{%- endmacro %}


{#- How an outcome is credited to a message. What happens in the message itself needs no rule and has the first. -#}
{% macro lf_attributions(metric) -%}
    {%- set own = ['opened', 'opened_all', 'clicked', 'clicked_all', 'unsubscribed', 'complained', 'bounced'] -%}
    {{ return(['assigned_window'] if metric in own else ['assigned_window', 'click_token', 'last_touch']) }}
{%- endmacro %}
