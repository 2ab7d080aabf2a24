{#- What the models ask of the catalogue of outcome metrics, the seed `outcome_metrics`. -#}

{#-
    What a unit did before its assignment, by which differences are adjusted and splits are balanced: names of outcome metrics. The one list that
    must be known when the project is parsed, because `int_covariates` is written once and has a column for each.
-#}
{% macro lf_covariates() -%}
    {{ return(['opened', 'clicked', 'ordered', 'revenue']) }}
{%- endmacro %}


{#- A query of one row: the role and the aggregation of each covariate, from the CTE `outcome_metrics`. -#}
{% macro lf_covariate_roles(outcome_metrics) -%}
    select
        {%- for covariate in lf_covariates() %}
        max(case when metric = '{{ covariate }}' then role end) as {{ covariate }}_role,
        max(case when metric = '{{ covariate }}' then aggregation end) as {{ covariate }}_aggregation{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ outcome_metrics }}
{%- endmacro %}


{#- Aggregate: a covariate over the events of a unit, beside the CTE of `lf_covariate_roles`: how many there were, or the sum of their values. -#}
{% macro lf_covariate_sum(covariate, covariate_roles, role, value) -%}
    sum(case
        when {{ role }} <> {{ covariate_roles }}.{{ covariate }}_role then 0
        when {{ covariate_roles }}.{{ covariate }}_aggregation = 'value' then coalesce({{ value }}, 0)
        else 1
    end)
{%- endmacro %}


{#-
    Whether one of these columns of a row that is written once holds what no sum of amounts can be: earlier versions of the project read `NaN` and infinity as amounts.
    Such a row is made anew. The bound is a billion times the largest amount.
-#}
{% macro lf_is_no_sum(columns) -%}
    {%- for column in columns %}
    not coalesce(abs({{ column }}) < {{ lf_double("'1e24'") }}, true){{ ' or ' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#- How an outcome is credited to a message. What happens in the message itself needs no rule and has the first. -#}
{% macro lf_attributions() -%}
    {{ return(['assigned_window', 'click_token', 'last_touch']) }}
{%- endmacro %}


{#-
    A query: each outcome metric of the CTE `outcome_metrics` that is counted from events, once for each role whose events it counts. Of the role whose
    values are taken off, `sign` is -1.
-#}
{% macro lf_counted_roles(outcome_metrics) -%}
    select
        metric,
        aggregation,
        role,
        1 as sign,
        counts_machines,
        time_window,
        unit
    from {{ outcome_metrics }}
    where
        kind <> 'ratio'
        and aggregation <> 'receipt'

    union all

    select
        metric,
        aggregation,
        subtracted_role as role,
        -1 as sign,
        counts_machines,
        time_window,
        unit
    from {{ outcome_metrics }}
    where subtracted_role <> 'none'
{%- endmacro %}


{#- Days after a receipt in which an outcome counts: what the definition says of the metric, else the catalogue, else the attribution window. -#}
{% macro lf_window_days(experiments, metrics) -%}
    coalesce(
        {{ lf_integer(lf_json_text_at(experiments ~ '.metric_windows', metrics ~ '.metric')) }},
        {{ lf_integer(metrics ~ '.time_window') }},
        {{ experiments }}.attribution_window_days
    )
{%- endmacro %}


{#- Whether no flag of an event says that a machine did it, by what the seed `event_roles` says of its role; true of a role that it does not name. -#}
{% macro lf_is_unflagged(event_roles, is_machine_open='events.is_machine_open', is_bot_click='events.is_bot_click') -%}
    case {{ event_roles }}.machine_flag
        when 'machine_open' then not {{ is_machine_open }}
        when 'bot_click' then not {{ is_bot_click }}
        else true
    end
{%- endmacro %}


{#- The kind of an outcome metric that a unit has a number of, for operations that are given its name. A wrong name is told, with the right ones. -#}
{% macro lf_kind_of_outcome(metric) -%}
    {%- if load_relation(ref('outcome_metrics')) is none -%}
        {%- do exceptions.raise_compiler_error(
            'The models that this reads are not in ' ~ ref('outcome_metrics').include(identifier=false) ~ ': build them first (`make pipeline`, or '
            ~ '`dbt build`), or name the environment whose warehouse has them (`meltano --environment=prod invoke dbt:…`)'
        ) -%}
    {%- endif -%}
    {%- set rows = run_query(
        'select metric, kind from ' ~ ref('outcome_metrics')
        ~ " where kind <> 'ratio' and aggregation <> 'receipt' and not counts_machines order by position"
    ).rows -%}
    {%- for row in rows if row[0] == metric -%}
        {{ return(row[1]) }}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error('metric is one of ' ~ rows | map(attribute=0) | join(', ') ~ ', not ' ~ metric) -%}
{%- endmacro %}


{#- Aggregate: what the events of a unit come to, of the columns aggregation and value. -#}
{% macro lf_outcome(aggregation, value) -%}
    {{ lf_double(
        "case max(" ~ aggregation ~ ") when 'any' then 1 when 'count' then count(*) else coalesce(sum(" ~ value ~ "), 0) end"
    ) }}
{%- endmacro %}


{#- A query: the integration whose metrics alone play a role, by the variable `counting_integrations`. -#}
{% macro lf_counting_integrations() -%}
    {%- for role, integration_key in lf_variable('counting_integrations').items() %}
    select
        {{ lf_literal(role) }} as role,
        {{ lf_literal(integration_key) }} as integration_key
    {% if not loop.last %}union all{% endif %}
    {%- else %}
    select
        {{ lf_text('null') }} as role,
        {{ lf_text('null') }} as integration_key
    where false
    {%- endfor %}
{%- endmacro %}
