{{ config(materialized=lf_by_changes(), meta={'is_made_by_its_run': true}) }}
{%- set changes = lf_changes(['int_message_days'], [], is_small=true) %}

with

message_days as (

    select * from {{ ref('int_message_days') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

versions as (

    select
        experiment_key,
        experiment_version,
        min(assigned_at) as started_at

    from assignments
    group by experiment_key, experiment_version

),

found_by_link as (

    select distinct
        linked_experiment_key as experiment_key,
        message_id
    from message_days
    where
        linked_experiment_key <> ''
        {{ lf_is_changed(changes, 'message_id') }}

),

named_in_definition as (

    {{ lf_json_texts('experiments', 'experiment_key', 'campaign_message_ids', 'message_id') }}

),

all_messages as (

    select * from found_by_link

    union all

    select * from named_in_definition

),

experiment_messages as (

    select distinct
        experiment_key,
        message_id
    from all_messages

),

first_seen as (

    select
        experiment_messages.experiment_key,
        experiment_messages.message_id,
        min(message_days.first_seen_at) as first_seen_at

    from experiment_messages
    inner join message_days on experiment_messages.message_id = message_days.message_id
    group by experiment_messages.experiment_key, experiment_messages.message_id

),

-- A message carries no version: it was sent under the newest one that had begun by then.
rank_versions as (

    select
        first_seen.experiment_key,
        versions.experiment_version,
        first_seen.message_id,
        first_seen.first_seen_at,
        row_number() over (
            partition by first_seen.experiment_key, first_seen.message_id
            order by
                case when versions.started_at <= first_seen.first_seen_at then 0 else 1 end,
                case when versions.started_at <= first_seen.first_seen_at then -versions.experiment_version end,
                versions.experiment_version
        ) as version_rank

    from first_seen
    inner join versions on first_seen.experiment_key = versions.experiment_key

),

keep_best as (

    select
        experiment_key,
        experiment_version,
        message_id,
        first_seen_at

    from rank_versions
    where version_rank = 1

)

select * from keep_best
