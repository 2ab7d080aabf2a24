{{ config(severity='warn') }}

select
    'The metrics ' || metric_id || ' (' || integration_key || ') and ' || other_metric_id || ' (' || other_integration_key
    || ') report the same events of the role ' || role || ': of the ' || {{ lf_text('least(events, other_events)') }} || ' of the rarer one, '
    || {{ lf_text('matched_events') }} || ' have a twin in the other, where chance explains ' || {{ lf_text('matched_by_chance') }}
    || '. Each counts twice. Say which counts: ' || case
        when integration_key <> other_integration_key
            then 'counting_integrations: {' || role || ': ' || integration_key || '}, or '
        else ''
    end || 'metric_role_overrides: {' || other_metric_id || ': ignored}.' as problem
from {{ ref('fct_double_reports') }}
where is_doubled
