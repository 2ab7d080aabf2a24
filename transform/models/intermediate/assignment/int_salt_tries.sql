with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

decided as (

    select
        experiment_key,
        experiment_version,
        max(salt_try) as salt_try
    from {{ lf_ledger('fct_assignments') }}
    group by experiment_key, experiment_version

),

joined as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,

        ---------- numerics
        coalesce(decided.salt_try, 0) as salt_try

    from experiments
    left join decided
        on
            experiments.experiment_key = decided.experiment_key
            and experiments.experiment_version = decided.experiment_version

)

select * from joined
