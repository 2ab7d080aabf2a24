{#-
    What the tables that are kept by changes look up (lf_changes.sql). This model notes who was assigned, and begins a whole build with the first run of each day; whose events changed is
    noted where they are classified. A whole build needs nothing of what was noted before it.
-#}
{%- set change = lf_change_begun(ref('fct_assignments')) -%}
{{
    config(
        materialized='append_only',
        pre_hook="{{ lf_forget_changes(ref('fct_assignments')) }}",
    )
}}

with

assignments as (

    select * from {{ ref('fct_assignments') }}

),

heads as (

    select
        '{{ change.kind }}' as kind,
        {{ lf_text("''") }} as profile_id,
        cast({{ lf_now() }} as date) as occurred_on,
        {{ change.ledger_rows }} as ledger_rows,
        {{ change.assigned_until }} as assigned_until
    where {{ 'true' if change.kind else 'false' }}

),

assigned as (

    select
        'assigned' as kind,
        profile_id,
        min(cast(assigned_at as date)) as occurred_on,
        cast(null as {{ lf_type('bigint') }}) as ledger_rows,
        cast(null as {{ lf_type('timestamp') }}) as assigned_until

    from assignments
    where
        {% if change.kind == 'ledger' -%}
        assigned_at > {{ change.assigned_since }}
        {%- else -%}
        1 = 0
        {%- endif %}
    group by profile_id

),

all_changes as (

    select * from heads

    union all

    select * from assigned

),

changes as (

    select
        ---------- ids
        cast({{ change.change_id }} as {{ lf_type('bigint') }}) as change_id,
        profile_id,

        ---------- texts
        kind,

        ---------- dates
        occurred_on,

        ---------- numerics
        ledger_rows,

        ---------- timestamps
        assigned_until,
        {{ lf_now() }} as noticed_at

    from all_changes

)

select * from changes
