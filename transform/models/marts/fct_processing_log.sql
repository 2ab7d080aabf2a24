{{ config(materialized='append_only') }}

with

lines as (

    select * from {{ ref('stg_inbox__processing_log') }}

),

known as (

    select line_hash
    from {{ lf_ledger('fct_processing_log') }}

),

news as (

    select
        ---------- ids
        lines.line_hash,
        lines.previous_hash,
        lines.line_number,
        lines.run_id,
        lines.request_id,

        ---------- texts
        lines.did,
        lines.place,
        lines.what,
        lines.purpose,
        lines.action,

        ---------- numbers
        lines.row_count,

        ---------- documents
        lines.people,

        ---------- timestamps
        lines.acted_at,
        lines.logged_at,
        {{ lf_now() }} as recorded_at

    from lines
    left join known on lines.line_hash = known.line_hash
    where known.line_hash is null

)

select * from news
