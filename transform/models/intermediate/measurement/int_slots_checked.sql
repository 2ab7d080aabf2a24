with

moments as (

    select * from {{ ref('int_moments') }}

),

renderings as (

    select * from {{ ref('int_arms_rendered') }}

),

-- Counts of an arm are the same for each of its metrics. Once the message is out, what matters is who received it.
arms as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        weight_bp,
        case
            when sum(received) over (partition by experiment_key, experiment_version, slot_key) > 0 then received
            else units
        end as observed

    from moments
    where metric = 'opened'

),

-- An arm of weight 0 expects nobody and takes no degree of freedom.
expect as (

    select
        *,
        {{ lf_double('weight_bp') }}
        * sum(observed) over (partition by experiment_key, experiment_version, slot_key)
        / sum(weight_bp) over (partition by experiment_key, experiment_version, slot_key) as expected

    from arms
    where weight_bp > 0

),

chi_square as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        count(*) - 1 as degrees,
        min(expected) as least_expected,
        sum((observed - expected) * (observed - expected) / nullif(expected, 0)) as statistic

    from expect
    group by experiment_key, experiment_version, slot_key

),

count_renderings as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        count(*) as rendered,
        sum(case when is_crossover then 1 else 0 end) as crossovers

    from renderings
    group by experiment_key, experiment_version, slot_key

),

joined as (

    select
        ---------- ids
        chi_square.experiment_key,
        chi_square.experiment_version,
        chi_square.slot_key,

        ---------- numerics
        case
            when chi_square.least_expected >= {{ var('srm_min_expected') }}
                then {{ lf_chi2_sf('chi_square.statistic', 'chi_square.degrees') }}
        end as srm_p_value,
        coalesce(count_renderings.rendered, 0) as rendered,
        coalesce(count_renderings.crossovers, 0) as crossovers,
        {{ lf_double('count_renderings.crossovers') }} / count_renderings.rendered as crossover_rate

    from chi_square
    left join count_renderings
        on
            chi_square.experiment_key = count_renderings.experiment_key
            and chi_square.experiment_version = count_renderings.experiment_version
            and chi_square.slot_key = count_renderings.slot_key

)

select * from joined
