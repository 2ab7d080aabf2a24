with

templates as (

    select * from {{ ref('stg_experiments__templates') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

klaviyo_templates as (

    select * from {{ ref('stg_klaviyo__templates') }}

),

resources_gone as (

    select * from {{ ref('int_resources_gone') }}

),

templates_held as (

    {{ lf_keep_held('klaviyo_templates', 'template_id', 'templates', 'resources_gone') }}

),

sendable_templates as (

    select
        templates.template_name as name,
        templates.html,
        templates.text,
        '<!-- lf:' || templates.sha256 || ' -->' as marker

    from templates
    inner join experiments
        on
            templates.experiment_key = experiments.experiment_key
            and templates.template_name = experiments.template_name
    where
        (experiments.status = 'live' or experiments.is_shipped)
        and templates.html is not null -- a text message's campaign holds its text, and no template can

),

-- Klaviyo may hold several templates of one name: one that carries the marker is enough.
keep_unpublished as (

    select
        name,
        html,
        text

    from sendable_templates
    where not exists (
        select 1
        from templates_held
        where
            templates_held.template_name = sendable_templates.name
            and {{ lf_contains('templates_held.html', 'sendable_templates.marker') }}
    )

)

select * from keep_unpublished
