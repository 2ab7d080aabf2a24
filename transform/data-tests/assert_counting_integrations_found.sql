{{ config(severity='warn') }}

with counting_integrations as (
    {{ lf_counting_integrations() }}
)

select
    'The variable counting_integrations says that of the role ' || counting_integrations.role || ' the integration '
    || counting_integrations.integration_key || ' counts, which writes no such metric, so those of all others count. '
    || 'Correct its name, or set the metric by its id in metric_role_overrides.' as problem
from counting_integrations
left join {{ ref('int_metric_roles') }} as roles
    on
        counting_integrations.role = roles.role
        and counting_integrations.integration_key = roles.integration_key
where roles.metric_id is null
