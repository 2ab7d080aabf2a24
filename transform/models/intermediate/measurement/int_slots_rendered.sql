with

renderings as (

    select * from {{ ref('int_arms_rendered') }}

),

count_renderings as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,

        ---------- numerics
        count(*) as rendered,
        sum(case when is_crossover then 1 else 0 end) as crossovers,
        {{ lf_double('sum(case when is_crossover then 1 else 0 end)') }} / count(*) as crossover_rate

    from renderings
    group by experiment_key, experiment_version, slot_key

)

select * from count_renderings
