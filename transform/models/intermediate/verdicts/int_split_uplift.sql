with

results as (

    select * from {{ ref('fct_experiment_results') }}

),

average_arms as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        units,
        mean,
        variance,
        sum(units) over (partition by experiment_key, experiment_version, slot_key) as all_units,
        avg(mean) over (partition by experiment_key, experiment_version, slot_key) as average_mean,
        count(*) over (partition by experiment_key, experiment_version, slot_key) as arms

    from results
    where
        is_decisive
        and units > 0

),

compare_split as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,

        ---------- numerics
        sum(units * (mean - average_mean)) as smart_allocation_uplift,
        sqrt(sum(
            (units - {{ lf_double('all_units') }} / arms) * (units - {{ lf_double('all_units') }} / arms)
            * case when variance > 0 then variance else 0e0 end / units
        )) as smart_allocation_uplift_error

    from average_arms
    group by experiment_key, experiment_version, slot_key

)

select * from compare_split
