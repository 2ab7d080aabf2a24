with

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

named_roles as (

    select * from {{ ref('metric_roles') }}

),

override_roles as (

    {% for metric_id, role in var('metric_role_overrides').items() -%}
    select
        '{{ metric_id }}' as metric_id,
        '{{ role }}' as role
    {% if not loop.last %}union all{% endif %}
    {% else -%}
    select
        {{ lf_text('null') }} as metric_id,
        {{ lf_text('null') }} as role
    where false
    {%- endfor %}

),

choose_role as (

    select
        metrics.metric_id,
        coalesce(override_roles.role, named_roles.role) as role

    from metrics
    left join override_roles on metrics.metric_id = override_roles.metric_id
    left join named_roles
        on
            metrics.integration_key = named_roles.integration_key
            and lower(metrics.metric_name) = lower(named_roles.metric_name)
    where coalesce(override_roles.role, named_roles.role) is not null

)

select * from choose_role
