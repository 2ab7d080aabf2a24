with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

templates as (

    select * from {{ ref('stg_experiments__templates') }}

),

klaviyo_templates as (

    select * from {{ ref('stg_klaviyo__templates') }}

),

messages as (

    select * from {{ ref('stg_klaviyo__campaign_messages') }}

),

campaigns as (

    select * from {{ ref('stg_klaviyo__campaigns') }}

),

resources_gone as (

    select * from {{ ref('int_resources_gone') }}

),

templates_held as (

    {{ lf_keep_held('klaviyo_templates', 'template_id', 'templates', 'resources_gone') }}

),

messages_held as (

    {{ lf_keep_held('messages', 'message_id', 'campaign_messages', 'resources_gone') }}

),

campaigns_held as (

    {{ lf_keep_held('campaigns', 'campaign_id', 'campaigns', 'resources_gone') }}

),

named_in_definition as (

    {{ lf_json_texts('experiments', 'experiment_key', 'campaign_message_ids', 'message_id') }}

),

-- A copy of what is about to be replaced would be sent as it is: the template goes first, its copies with the next run.
current_templates as (

    select
        templates.experiment_key,
        templates.template_name

    from templates
    where exists (
        select 1
        from templates_held
        where
            templates_held.template_name = templates.template_name
            and {{ lf_contains('templates_held.html', "'<!-- lf:' || templates.sha256 || ' -->'") }}
    )

),

-- What is sent keeps what it was sent with.
keep_open as (

    select
        messages_held.message_id as campaign_message_id,
        min(current_templates.template_name) as template_name

    from named_in_definition
    inner join experiments on named_in_definition.experiment_key = experiments.experiment_key
    inner join current_templates
        on
            experiments.experiment_key = current_templates.experiment_key
            and experiments.template_name = current_templates.template_name
    inner join messages_held on named_in_definition.message_id = messages_held.message_id
    inner join campaigns_held on messages_held.campaign_id = campaigns_held.campaign_id
    where
        experiments.status = 'live'
        -- The message has it from revision 2026-10-15 of the API on, the campaign before.
        and lower(coalesce(messages_held.status, campaigns_held.status)) in ('draft', 'scheduled')
    group by messages_held.message_id
    having count(distinct current_templates.template_name) = 1

)

select * from keep_open
