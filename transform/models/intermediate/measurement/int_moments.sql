with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

outcomes as (

    select * from {{ ref('int_outcomes') }}

),

metrics as (

    {% for metric in ['opened', 'clicked', 'ordered', 'revenue', 'unsubscribed'] -%}
    select '{{ metric }}' as metric
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor %}

),

-- An experiment that was never live has nobody assigned and nothing to measure.
arms_by_metric as (

    select
        arms.*,
        metrics.metric

    from arms
    cross join metrics
    where arms.status <> 'draft'

),

count_units as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        count(*) as units,
        count(receipts.profile_id) as received

    from assignments
    left join receipts
        on
            assignments.experiment_key = receipts.experiment_key
            and assignments.experiment_version = receipts.experiment_version
            and assignments.profile_id = receipts.profile_id
    group by
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key

),

-- Units without an outcome are zeros: they count in `units` and add nothing to the sums.
sum_outcomes as (

    select
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        outcomes.metric,
        count(*) as converted,
        sum(outcomes.value) as total,
        sum(outcomes.value * outcomes.value) as total_of_squares

    from assignments
    inner join outcomes
        on
            assignments.experiment_key = outcomes.experiment_key
            and assignments.experiment_version = outcomes.experiment_version
            and assignments.profile_id = outcomes.profile_id
    group by
        assignments.experiment_key,
        assignments.experiment_version,
        assignments.slot_key,
        assignments.arm_key,
        outcomes.metric

),

joined as (

    select
        ---------- ids
        arms_by_metric.experiment_key,
        arms_by_metric.experiment_version,
        arms_by_metric.slot_key,
        arms_by_metric.arm_key,
        arms_by_metric.metric,

        ---------- numerics
        arms_by_metric.weight_bp,
        coalesce(count_units.units, 0) as units,
        coalesce(count_units.received, 0) as received,
        coalesce(sum_outcomes.converted, 0) as converted,
        coalesce(sum_outcomes.total, 0e0) as total,
        coalesce(sum_outcomes.total_of_squares, 0e0) as total_of_squares,

        ---------- booleans
        arms_by_metric.is_control

    from arms_by_metric
    left join count_units
        on
            arms_by_metric.experiment_key = count_units.experiment_key
            and arms_by_metric.experiment_version = count_units.experiment_version
            and arms_by_metric.slot_key = count_units.slot_key
            and arms_by_metric.arm_key = count_units.arm_key
    left join sum_outcomes
        on
            arms_by_metric.experiment_key = sum_outcomes.experiment_key
            and arms_by_metric.experiment_version = sum_outcomes.experiment_version
            and arms_by_metric.slot_key = sum_outcomes.slot_key
            and arms_by_metric.arm_key = sum_outcomes.arm_key
            and arms_by_metric.metric = sum_outcomes.metric

)

select * from joined
