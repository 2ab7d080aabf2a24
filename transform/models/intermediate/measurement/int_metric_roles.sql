with

metrics as (

    select * from {{ ref('stg_klaviyo__metrics') }}

),

named_roles as (

    select * from {{ ref('metric_roles') }}

),

override_roles as (

    {% for metric_id, role in lf_variable('metric_role_overrides').items() -%}
    select
        {{ lf_literal(metric_id) }} as metric_id,
        {{ lf_literal(role) }} as role
    {% if not loop.last %}union all{% endif %}
    {% else -%}
    select
        {{ lf_text('null') }} as metric_id,
        {{ lf_text('null') }} as role
    where false
    {%- endfor %}

),

counting_integrations as (

    {{ lf_counting_integrations() }}

),

find_role as (

    select
        metrics.metric_id,
        metrics.metric_name,
        metrics.integration_key,
        coalesce(override_roles.role, named_roles.role) as role,
        override_roles.role is not null as is_set_by_id

    from metrics
    left join override_roles on metrics.metric_id = override_roles.metric_id
    left join named_roles
        on
            metrics.integration_key = named_roles.integration_key
            and lower(metrics.metric_name) = lower(named_roles.metric_name)
    where coalesce(override_roles.role, named_roles.role) is not null

),

-- An integration that writes no such metric takes the role from none: a misspelt name must not lose all orders.
counting_roles as (

    select distinct
        counting_integrations.role,
        counting_integrations.integration_key

    from counting_integrations
    inner join find_role
        on
            counting_integrations.role = find_role.role
            and counting_integrations.integration_key = find_role.integration_key

),

choose_role as (

    select
        find_role.metric_id,
        find_role.role,
        find_role.metric_name,
        find_role.integration_key

    from find_role
    left join counting_roles on find_role.role = counting_roles.role
    where
        find_role.is_set_by_id
        or counting_roles.role is null
        or find_role.integration_key = counting_roles.integration_key

)

select * from choose_role
