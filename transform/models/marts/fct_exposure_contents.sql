{{ config(materialized='append_only') }}

with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

),

rank_known as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        copy_id,
        is_winner,
        row_number() over (
            partition by experiment_key, experiment_version, slot_key, arm_key order by known_from desc
        ) as recency

    from {{ lf_ledger('fct_exposure_contents') }}

),

defined as (

    select
        ---------- ids
        {{ lf_sha256(
            "'subject ' || coalesce(" ~ lf_text('length(arms.subject)') ~ ", '-') || ' ' || coalesce(arms.subject, '')"
            ~ " || ' html ' || coalesce(" ~ lf_text('length(arms.html)') ~ ", '-') || ' ' || coalesce(arms.html, '')"
            ~ " || ' text ' || coalesce(arms.text, '')"
        ) }} as copy_id,
        experiments.experiment_key,
        experiments.experiment_version,
        arms.slot_key,
        arms.arm_key,

        ---------- texts
        arms.subject,
        arms.html,
        arms.text,

        ---------- booleans
        arms.is_winner,

        ---------- timestamps
        {{ lf_now() }} as known_from

    from experiments
    inner join arms on experiments.experiment_key = arms.experiment_key
    where experiments.status <> 'draft'

),

-- A content that comes back is told again: what was shown is what was known last by then.
keep_news as (

    select defined.*
    from defined
    left join rank_known
        on
            defined.experiment_key = rank_known.experiment_key
            and defined.experiment_version = rank_known.experiment_version
            and defined.slot_key = rank_known.slot_key
            and defined.arm_key = rank_known.arm_key
            and rank_known.recency = 1
    where
        rank_known.copy_id is null
        or rank_known.copy_id <> defined.copy_id
        or rank_known.is_winner <> defined.is_winner

)

select * from keep_news
