with

days as (

    select * from {{ ref('int_outcome_days') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

sum_days as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        attribution,
        sum(value) as uncapped_value,
        sum(denominator) as orders

    from days
    group by experiment_key, experiment_version, profile_id, metric, attribution

),

-- One huge order decides nothing: the cap is a percentile of all buyers of all arms together, and so the same in every arm.
rank_buyers as (

    select
        experiment_key,
        experiment_version,
        attribution,
        uncapped_value,
        row_number() over (
            partition by experiment_key, experiment_version, attribution
            order by uncapped_value
        ) as place,
        count(*) over (partition by experiment_key, experiment_version, attribution) as buyers

    from sum_days
    where
        metric = 'revenue'
        and uncapped_value > 0

),

caps as (

    select
        experiment_key,
        experiment_version,
        attribution,
        min(uncapped_value) as cap

    from rank_buyers
    where place >= {{ lf_double(var('revenue_cap_percentile')) }} * buyers
    group by experiment_key, experiment_version, attribution

),

cap_revenue as (

    select
        sum_days.*,
        case
            when sum_days.metric = 'revenue' then least(sum_days.uncapped_value, coalesce(caps.cap, sum_days.uncapped_value))
            else sum_days.uncapped_value
        end as value

    from sum_days
    left join caps
        on
            sum_days.experiment_key = caps.experiment_key
            and sum_days.experiment_version = caps.experiment_version
            and sum_days.attribution = caps.attribution

),

all_metrics as (

    select
        experiment_key,
        experiment_version,
        profile_id,
        metric,
        attribution,
        value,
        uncapped_value,
        {{ lf_double('0') }} as denominator
    from cap_revenue
    where metric <> 'revenue' or value <> 0

    union all

    select
        experiment_key,
        experiment_version,
        profile_id,
        'revenue_per_order' as metric,
        attribution,
        value,
        uncapped_value,
        orders as denominator
    from cap_revenue
    where metric = 'revenue'

),

outcomes as (

    select
        ---------- ids
        all_metrics.experiment_key,
        all_metrics.experiment_version,
        all_metrics.profile_id,

        ---------- texts
        all_metrics.metric,
        all_metrics.attribution,

        ---------- numerics
        all_metrics.value,
        all_metrics.uncapped_value,
        all_metrics.denominator,

        ---------- booleans
        receipts.profile_id is not null as has_received,
        coalesce(receipts.has_opened, false) as has_opened

    from all_metrics
    left join receipts
        on
            all_metrics.experiment_key = receipts.experiment_key
            and all_metrics.experiment_version = receipts.experiment_version
            and all_metrics.profile_id = receipts.profile_id

)

select * from outcomes
