with

attributions as (

    select * from {{ ref('int_klaviyo_attributions') }}

),

messages as (

    select * from {{ ref('int_experiment_messages') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

results as (

    select * from {{ ref('fct_experiment_results') }}

),

days_counted as (

    select * from {{ ref('int_days_counted') }}

),

-- An order that Klaviyo credits to two messages of one experiment is one of it.
credited_orders as (

    select distinct
        messages.experiment_key,
        messages.experiment_version,
        events.event_id,
        events.profile_id,
        events.value

    from attributions
    inner join messages on attributions.message_id = messages.message_id
    inner join events on attributions.event_id = events.event_id
    where
        events.role = 'ordered'
        and events.profile_id is not null

),

klaviyo as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        count(distinct credited_orders.profile_id) as buyers,
        count(*) as orders,
        sum(coalesce(credited_orders.value, 0e0)) as revenue

    from credited_orders
    inner join assignments
        on
            credited_orders.experiment_key = assignments.experiment_key
            and credited_orders.experiment_version = assignments.experiment_version
            and credited_orders.profile_id = assignments.profile_id
    group by
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key

),

ours as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        max(case when metric = 'ordered' and attribution = 'assigned_window' then total end) as buyers,
        max(case when metric = 'revenue' and attribution = 'assigned_window' then total end) as revenue,
        max(case when metric = 'ordered' and attribution = 'last_touch' then total end) as last_touch_buyers,
        max(case when metric = 'revenue' and attribution = 'last_touch' then total end) as last_touch_revenue

    from results
    where
        analysis = 'assigned'
        and metric in ('ordered', 'revenue')
    group by experiment_key, experiment_version, slot_key, arm_key

),

credited_days as (

    select count(*) as days
    from days_counted
    where counted = '(credited)'

),

compared as (

    select
        ---------- ids
        ours.experiment_key,
        ours.experiment_version,
        ours.slot_key,
        ours.arm_key,

        ---------- numerics
        ours.buyers,
        ours.revenue,
        ours.last_touch_buyers,
        ours.last_touch_revenue,
        case when credited_days.days > 0 then cast(coalesce(klaviyo.buyers, 0) as {{ lf_type('bigint') }}) end as klaviyo_buyers,
        case when credited_days.days > 0 then cast(coalesce(klaviyo.orders, 0) as {{ lf_type('bigint') }}) end as klaviyo_orders,
        case when credited_days.days > 0 then {{ lf_double('coalesce(klaviyo.revenue, 0)') }} end as klaviyo_revenue

    from ours
    cross join credited_days
    left join klaviyo
        on
            ours.experiment_key = klaviyo.experiment_key
            and ours.experiment_version = klaviyo.experiment_version
            and ours.slot_key = klaviyo.slot_key
            and ours.arm_key = klaviyo.arm_key

)

select * from compared
