{#-
    What the ledger of forwarding says of before. Where a run has to read little of much, that is looked up while a model is compiled and is a literal in its query: a warehouse
    then leaves the files of before unread. Where nothing is run, as in a unit test, the conditions hold for all.
-#}

{#- Whether the warehouse may be asked while a model is compiled. -#}
{% macro lf_forwarding_is_run() -%}
    {{ return(execute and flags.WHICH in ('build', 'run') and config.get('materialized') != 'unit') }}
{%- endmacro %}


{#- The ledger as earlier runs left it, the visitors and the contacts: for `from`. -#}
{% macro lf_forwarding_told() -%}
    {{ return(lf_ledger('fct_forwarding')) }}
{%- endmacro %}

{% macro lf_forwarding_visitors() -%}
    {{ return(lf_ledger('int_forwarding_visitors')) }}
{%- endmacro %}

{% macro lf_forwarding_contacts() -%}
    {{ return(lf_ledger('int_forwarding_contacts')) }}
{%- endmacro %}


{#- The runs that left something open, and since when its events happened: none where nothing is open. -#}
{% macro lf_forwarding_open_runs() -%}
    {%- set query -%}
        select
            {{ lf_text('decided_at') }} as decided_at,
            {{ lf_text('min(occurred_at)') }} as occurred_at
        from (
            select decided_at, occurred_at, 1 as is_open
            from {{ lf_forwarding_told() }}
            where is_open and {{ lf_is_sent_still('decided_at') }}

            union all

            select closes_decided_at as decided_at, occurred_at, -1 as is_open
            from {{ lf_forwarding_told() }}
            where closes_decided_at is not null and {{ lf_is_sent_still('decided_at') }}
        ) as runs
        group by decided_at
        having sum(is_open) > 0
    {%- endset -%}
    {%- set runs = [] -%}
    {%- for row in run_query(query) -%}
        {%- do runs.append((row[0], row[1])) -%}
    {%- endfor -%}
    {{ return(runs) }}
{%- endmacro %}


{#- A condition: a moment is that of one of these runs. -#}
{% macro lf_forwarding_of_runs(moment, runs) -%}
    {%- if runs is none -%}
        {{ return(moment ~ ' is not null') }}
    {%- elif not runs -%}
        {{ return('1 = 0') }}
    {%- endif -%}
    {%- set moments = [] -%}
    {%- for decided_at, _ in runs -%}
        {%- do moments.append(lf_moment(decided_at)) -%}
    {%- endfor -%}
    {{ return(moment ~ ' in (' ~ moments | join(', ') ~ ')') }}
{%- endmacro %}


{#- A condition: an event of Klaviyo's is not from before what is open; its times are whole seconds. -#}
{% macro lf_forwarding_since_open(moment, runs) -%}
    {%- if runs is none -%}
        {{ return('1 = 1') }}
    {%- elif not runs -%}
        {{ return('1 = 0') }}
    {%- endif -%}
    {{ return(moment ~ ' >= ' ~ lf_dateadd('second', -1, lf_moment(runs | map(attribute=1) | min))) }}
{%- endmacro %}


{#- A condition: a visitor became known in the last run that told anything, or since. -#}
{% macro lf_forwarding_since_last_run(moment) -%}
    {%- if not lf_forwarding_is_run() -%}
        {{ return('1 = 1') }}
    {%- endif -%}
    {%- set last = run_query('select ' ~ lf_text('max(decided_at)') ~ ' as decided_at from ' ~ lf_forwarding_told() ~ ' where ' ~ lf_is_sent_still('decided_at')).rows[0][0] -%}
    {{ return('1 = 1' if last is none else moment ~ ' >= ' ~ lf_moment(last)) }}
{%- endmacro %}


{#- The decisions that another rule, or knowing who it was, could change. -#}
{% macro lf_forwarding_held_back() -%}
    ('unnamed', 'ignored', 'no_items', 'switched_off', 'machine', 'no_consent', 'stripped', 'nobody', 'anonymous', 'gone', 'too_old', 'draft')
{%- endmacro %}


{#- By what an event is found again without being told: the md5 of metric, id and person. -#}
{% macro lf_forwarding_event_key(metric, unique_id, person_key) -%}
    {{ lf_md5(metric ~ " || '|' || " ~ unique_id ~ " || '|' || " ~ person_key) }}
{%- endmacro %}
