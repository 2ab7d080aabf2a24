{#- Klaviyo's own metrics that tell of a change of consent, with what they tell. -#}
{% macro lf_consent_metric_ids(metrics, consent_metrics) -%}
    select
        metrics.metric_id,
        consent_metrics.channel,
        consent_metrics.change

    from {{ metrics }} as metrics
    inner join {{ consent_metrics }} as consent_metrics on lower(metrics.metric_name) = lower(consent_metrics.metric_name)
    where metrics.integration_key = 'klaviyo'
{%- endmacro %}


{#-
    A condition: an event is not before the first that the log does not have. It is looked up while the model is compiled, by columns that no document has to be read for, and is a literal
    in the query: a warehouse then leaves the documents of all that is older unread. By a join it would read them all, in each run.
-#}
{% macro lf_since_consent_news(events, metrics, consent_metrics, log) -%}
    {%- if not execute or flags.WHICH not in ('build', 'run') or config.get('materialized') == 'unit' -%}
        {{ return('1 = 1') }}
    {%- endif -%}
    {#- As literals: joined, a planner that knows nothing of the seed looks up every event in the log before it asks for its metric. -#}
    {%- set ids = [] -%}
    {%- for metric_id in run_query('select distinct metric_id from (' ~ lf_consent_metric_ids(metrics, consent_metrics) ~ ') as told').columns[0].values() -%}
        {%- do ids.append(lf_literal(metric_id)) -%}
    {%- endfor -%}
    {%- if not ids -%}
        {{ return('1 = 0') }}
    {%- endif -%}
    {%- set query -%}
        select {{ lf_text('min(events.occurred_at)') }} as first_occurred_at
        from {{ events }} as events
        left join {{ log }} as log on events.event_id = log.change_id
        where
            events.metric_id in ({{ ids | join(', ') }})
            and log.change_id is null
    {%- endset -%}
    {%- set first = run_query(query).rows[0][0] -%}
    {{ return('1 = 0' if first is none else 'events.occurred_at >= ' ~ lf_moment(first)) }}
{%- endmacro %}
