with

roles as (

    select * from {{ ref('int_metric_roles') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

counted_roles as (

    {{ lf_counted_roles('outcome_metrics') }}

),

pairs as (

    select
        roles.role,
        roles.metric_id,
        roles.integration_key,
        others.metric_id as other_metric_id,
        others.integration_key as other_integration_key

    from roles
    inner join roles as others
        on
            roles.role = others.role
            and roles.metric_id < others.metric_id
    where roles.role in (select counted_roles.role from counted_roles where counted_roles.aggregation = 'value')

),

recent as (

    select events.*
    from events
    where
        events.role in (select pairs.role from pairs)
        and events.profile_id is not null
        and events.occurred_at >= {{ lf_dateadd('day', -1 * lf_variable('covariate_days'), lf_now()) }}

),

count_events as (

    select
        role,
        metric_id,
        count(*) as events

    from recent
    group by role, metric_id

),

-- Each event beside those of the other metric by the same profile, as they are and moved by 77 hours, which is no habit of anybody's.
side_by_side as (

    select
        pairs.role,
        pairs.metric_id,
        pairs.other_metric_id,
        recent.event_id,
        recent.order_id = others.order_id as is_same_order,
        abs(recent.value - others.value) < 0.005e0 as is_same_value,
        recent.occurred_at,
        others.occurred_at as other_occurred_at,
        {{ lf_dateadd('hour', 77, 'others.occurred_at') }} as moved_occurred_at

    from pairs
    inner join recent
        on
            pairs.role = recent.role
            and pairs.metric_id = recent.metric_id
    inner join recent as others
        on
            pairs.role = others.role
            and pairs.other_metric_id = others.metric_id
            and recent.profile_id = others.profile_id

),

compare as (

    select
        role,
        metric_id,
        other_metric_id,
        event_id,
        max(case when is_same_order then 1 else 0 end) as is_same_order,
        {%- for name, moment in [('is_near', 'other_occurred_at'), ('is_near_by_chance', 'moved_occurred_at')] %}
        max(case
            when
                is_same_value
                and occurred_at >= {{ lf_dateadd('hour', -1 * lf_variable('double_report_hours'), moment) }}
                and occurred_at <= {{ lf_dateadd('hour', lf_variable('double_report_hours'), moment) }}
                then 1
            when
                occurred_at >= {{ lf_dateadd('second', -60, moment) }}
                and occurred_at <= {{ lf_dateadd('second', 60, moment) }}
                then 1
            else 0
        end) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}

    from side_by_side
    group by role, metric_id, other_metric_id, event_id

),

count_matches as (

    select
        role,
        metric_id,
        other_metric_id,
        sum(case when is_same_order = 1 or is_near = 1 then 1 else 0 end) as matched_events,
        sum(is_near_by_chance) as matched_by_chance

    from compare
    group by role, metric_id, other_metric_id

),

joined as (

    select
        pairs.*,
        coalesce(count_events.events, 0) as events,
        coalesce(other_events.events, 0) as other_events,
        coalesce(count_matches.matched_events, 0) as matched_events,
        coalesce(count_matches.matched_by_chance, 0) as matched_by_chance

    from pairs
    left join count_events
        on
            pairs.role = count_events.role
            and pairs.metric_id = count_events.metric_id
    left join count_events as other_events
        on
            pairs.role = other_events.role
            and pairs.other_metric_id = other_events.metric_id
    left join count_matches
        on
            pairs.role = count_matches.role
            and pairs.metric_id = count_matches.metric_id
            and pairs.other_metric_id = count_matches.other_metric_id

),

-- Two numbers that differ by chance differ by less than 3.09 roots of their sum, but once in a thousand times.
double_reports as (

    select
        ---------- ids
        metric_id,
        other_metric_id,

        ---------- texts
        role,
        integration_key,
        other_integration_key,

        ---------- numerics
        cast(events as {{ lf_type('bigint') }}) as events,
        cast(other_events as {{ lf_type('bigint') }}) as other_events,
        cast(matched_events as {{ lf_type('bigint') }}) as matched_events,
        cast(matched_by_chance as {{ lf_type('bigint') }}) as matched_by_chance,

        ---------- booleans
        matched_events - matched_by_chance > 3.09e0 * {{ lf_root('(matched_events + matched_by_chance)') }}
        and matched_events >= 0.05e0 * least(events, other_events) as is_doubled

    from joined

)

select * from double_reports
