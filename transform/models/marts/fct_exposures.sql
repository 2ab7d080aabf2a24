with

events as (

    select * from {{ ref('int_events_classified') }}

),

messages as (

    select * from {{ ref('int_experiment_messages') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

contents as (

    select * from {{ ref('fct_exposure_contents') }}

),

flow_requests as (

    select * from {{ ref('stg_inbox__flow_requests') }}

),

campaign_messages as (

    select * from {{ ref('stg_klaviyo__campaign_messages') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

templates as (

    select * from {{ ref('stg_klaviyo__templates') }}

),

profiles_gone as (

    select * from {{ ref('int_profiles_gone') }}

),

-- What was known first counts for what was before.
content_spans as (

    select
        copy_id,
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        case
            when row_number() over (partition by experiment_key, experiment_version, slot_key, arm_key order by known_from) > 1
                then known_from
        end as shown_from,
        lead(known_from) over (partition by experiment_key, experiment_version, slot_key, arm_key order by known_from) as shown_until

    from contents

),

-- From then on everybody sees the winner, whatever they were assigned.
shipped as (

    select
        experiment_key,
        experiment_version,
        min(known_from) as shipped_at

    from contents
    where is_winner
    group by experiment_key, experiment_version

),

request_spans as (

    select
        experiment_key,
        profile_id,
        tracking_id,
        attrs,
        received_at,
        lead(received_at) over (partition by experiment_key, profile_id order by received_at, request_id) as next_received_at

    from flow_requests

),

message_templates as (

    select
        message_id,
        min(template_id) as template_id

    from campaign_messages
    group by message_id

),

-- A flow does not tell its template: it is the one of that name.
named_templates as (

    select
        experiments.experiment_key,
        min(templates.template_id) as template_id

    from experiments
    inner join templates on experiments.template_name = templates.template_name
    group by experiments.experiment_key

),

receipts as (

    select
        event_id,
        profile_id,
        message_id,
        occurred_at
    from events
    where
        role = 'received'
        and profile_id is not null
        and message_id is not null

),

-- Who received before they were assigned saw what is shown to nobody in particular.
exposed as (

    select
        receipts.event_id || '.' || assignments.experiment_key || '.' || assignments.slot_key as exposure_id,
        receipts.profile_id,
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        content_spans.copy_id,
        receipts.message_id,
        coalesce(message_templates.template_id, named_templates.template_id) as template_id,
        request_spans.tracking_id,
        request_spans.attrs,
        receipts.occurred_at

    from receipts
    inner join messages on receipts.message_id = messages.message_id
    inner join assignments
        on
            messages.experiment_key = assignments.experiment_key
            and messages.experiment_version = assignments.experiment_version
            and receipts.profile_id = assignments.profile_id
    left join shipped
        on
            assignments.experiment_key = shipped.experiment_key
            and assignments.experiment_version = shipped.experiment_version
    left join content_spans
        on
            assignments.experiment_key = content_spans.experiment_key
            and assignments.experiment_version = content_spans.experiment_version
            and assignments.slot_key = content_spans.slot_key
            and assignments.arm_key = content_spans.arm_key
            and (content_spans.shown_from is null or content_spans.shown_from <= receipts.occurred_at)
            and (content_spans.shown_until is null or receipts.occurred_at < content_spans.shown_until)
    left join request_spans
        on
            assignments.experiment_key = request_spans.experiment_key
            and assignments.profile_id = request_spans.profile_id
            and request_spans.received_at <= receipts.occurred_at
            and (request_spans.next_received_at is null or receipts.occurred_at < request_spans.next_received_at)
    left join message_templates on receipts.message_id = message_templates.message_id
    left join named_templates on assignments.experiment_key = named_templates.experiment_key
    where
        assignments.slot_key <> '*'
        and assignments.assigned_at <= receipts.occurred_at
        and (shipped.shipped_at is null or receipts.occurred_at < shipped.shipped_at)
        and not exists (
            select 1
            from profiles_gone
            where profiles_gone.profile_id = receipts.profile_id
        )

),

exposures as (

    select
        ---------- ids
        exposure_id,
        profile_id,
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        copy_id,
        message_id,
        template_id,
        tracking_id,

        ---------- documents
        attrs,

        ---------- numerics
        {{ lf_hex_to_bigint("substr(" ~ lf_md5(
            "exposure_id || ' ' || profile_id || ' ' || " ~ lf_text('experiment_version') ~ " || ' ' || arm_key"
            ~ " || ' ' || coalesce(copy_id, '') || ' ' || coalesce(template_id, '') || ' ' || coalesce(tracking_id, '')"
            ~ " || ' ' || coalesce(" ~ lf_json_canonical('attrs') ~ ", '') || ' ' || " ~ lf_text('occurred_at')
        ) ~ ", 1, 8)") }} as row_hash,

        ---------- timestamps
        occurred_at as exposed_at,
        {{ lf_whole_hour('occurred_at') }} as exposed_in_hour

    from exposed

)

select * from exposures
