{#-
    Conditions that begin with `and`: from a moment on that is looked up while the model is compiled, and is a literal in the query. A warehouse then leaves the files of before unread; by
    a join it would read them all. Where the query is not run, or nothing is there yet, nothing.
-#}

{#- A moment is not before the first event of any message of an experiment; of those that are not left alone (lf_changes.sql). -#}
{% macro lf_since_messages(messages, moment, changes={}) -%}
    {{ return(lf_since_least(messages ~ ' where true ' ~ lf_is_not_over(changes, 'experiment_key'), 'first_seen_at', moment)) }}
{%- endmacro %}


{#- A moment is not before the first receipt. -#}
{% macro lf_since_receipts(receipts, moment) -%}
    {{ return(lf_since_least(receipts, 'received_at', moment)) }}
{%- endmacro %}


{% macro lf_since_least(relation, column, moment) -%}
    {%- if execute and flags.WHICH in ('build', 'run') and config.get('materialized') != 'unit' -%}
        {%- set least = run_query('select ' ~ lf_text('min(' ~ column ~ ')') ~ ' as least from ' ~ relation).rows[0][0] -%}
        {%- if least is not none -%}
            {{ return('and ' ~ moment ~ ' >= ' ~ lf_moment(least)) }}
        {%- endif -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
