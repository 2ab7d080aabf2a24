{#-
    The warehouse holds each profile as it is now, and no history of it: so what it was is written down in the run that assigns it, and never again.
-#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
    )
}}
{%- set devices_since = lf_devices_since(ref('int_experiment_dimensions'), ref('fct_assignments'), this) %}

with

dimensions as (

    select * from {{ ref('int_experiment_dimensions') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

members as (

    select * from {{ ref('int_group_members') }}

),

events as (

    select * from {{ ref('stg_klaviyo__events') }}

),

roles as (

    select * from {{ ref('int_metric_roles') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

-- Who is held out is compared in none of them.
wanted as (

    select
        dimensions.experiment_key,
        dimensions.experiment_version,
        dimensions.dimension,
        dimensions.kind,
        dimensions.name,
        dimensions.group_id,
        dimensions.resolution,
        assignments.profile_id,
        min(assignments.assigned_at) as assigned_at

    from assignments
    inner join dimensions
        on
            assignments.experiment_key = dimensions.experiment_key
            and assignments.experiment_version = dimensions.experiment_version
    {% if is_incremental() -%}
    left join {{ this }} as known
        on
            assignments.experiment_key = known.experiment_key
            and assignments.experiment_version = known.experiment_version
            and assignments.profile_id = known.profile_id
            and dimensions.dimension = known.dimension
    {%- endif %}
    where
        assignments.slot_key <> '*'
        {% if is_incremental() -%}
        and known.profile_id is null
        {%- endif %}
    group by
        dimensions.experiment_key,
        dimensions.experiment_version,
        dimensions.dimension,
        dimensions.kind,
        dimensions.name,
        dimensions.group_id,
        dimensions.resolution,
        assignments.profile_id

),

-- What somebody clicks with after the message may be the message's doing: only what was before counts.
touches as (

    select
        wanted.experiment_key,
        wanted.experiment_version,
        wanted.profile_id,
        events.event_id,
        events.occurred_at,
        {{ lf_device('events.client_type', 'events.client_os_family') }} as device

    from wanted
    inner join events
        on
            wanted.profile_id = events.profile_id
            and wanted.assigned_at > events.occurred_at
            and {{ lf_dateadd('day', -1 * lf_variable('covariate_days'), 'wanted.assigned_at') }} <= events.occurred_at
    inner join roles on events.metric_id = roles.metric_id
    inner join event_roles on roles.role = event_roles.role
    where
        wanted.kind = 'device'
        {% if devices_since -%}
        and events.occurred_at >= {{ lf_dateadd('day', -1 * lf_variable('covariate_days'), "cast('" ~ devices_since ~ "' as " ~ lf_type('timestamp') ~ ")") }}
        {%- else -%}
        and 1 = 0
        {%- endif %}
        and event_roles.is_touch
        and {{ lf_is_unflagged('event_roles') }}

),

rank_touches as (

    select
        *,
        row_number() over (
            partition by experiment_key, experiment_version, profile_id
            order by occurred_at desc, event_id desc
        ) as recency

    from touches
    where device is not null

),

read_levels as (

    select
        wanted.*,
        case wanted.kind
            when 'country' then {{ lf_json_text('profiles.location', 'country') }}
            when 'property' then {{ lf_json_text_at('profiles.properties', 'wanted.name') }}
            when 'device' then rank_touches.device
            when 'tenure'
                then case
                    when {{ lf_dateadd('day', -1 * lf_variable('dimension_new_days'), 'wanted.assigned_at') }} < profiles.created_at then 'new'
                    when profiles.created_at is not null then 'old'
                end
            else case when wanted.resolution = 'found' then case when members.profile_id is null then 'out' else 'in' end end
        end as level

    from wanted
    left join profiles on wanted.profile_id = profiles.profile_id
    left join members
        on
            wanted.kind = members.group_type
            and wanted.group_id = members.group_id
            and wanted.profile_id = members.profile_id
    left join rank_touches
        on
            wanted.experiment_key = rank_touches.experiment_key
            and wanted.experiment_version = rank_touches.experiment_version
            and wanted.profile_id = rank_touches.profile_id
            and wanted.kind = 'device'
            and rank_touches.recency = 1

),

record as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        profile_id,
        dimension,

        ---------- texts
        nullif(substr(trim(level), 1, 100), '') as level,

        ---------- timestamps
        {{ lf_now() }} as recorded_at

    from read_levels

)

select * from record
