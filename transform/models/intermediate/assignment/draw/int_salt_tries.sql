with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

ledger_tries as (

    select
        experiment_key,
        experiment_version,
        max(salt_try) as salt_try
    from {{ lf_ledger('fct_assignments') }}
    group by experiment_key, experiment_version

),

-- The experiments of a group have one salt, so the first of them that assigns decides for all.
decided as (

    select
        coalesce(experiments.group_key, experiments.experiment_key) as salt_key,
        experiments.experiment_version,
        max(ledger_tries.salt_try) as salt_try

    from experiments
    inner join ledger_tries
        on
            experiments.experiment_key = ledger_tries.experiment_key
            and experiments.experiment_version = ledger_tries.experiment_version
    group by coalesce(experiments.group_key, experiments.experiment_key), experiments.experiment_version

),

joined as (

    select
        ---------- ids
        experiments.experiment_key,
        experiments.experiment_version,
        coalesce(experiments.group_key, experiments.experiment_key) as salt_key,

        ---------- numerics
        experiments.balance_tries,
        experiments.balance_days,
        case
            when decided.salt_key is not null then decided.salt_try
            when experiments.balance_tries > 1 then null
            else 0
        end as salt_try

    from experiments
    left join decided
        on
            coalesce(experiments.group_key, experiments.experiment_key) = decided.salt_key
            and experiments.experiment_version = decided.experiment_version

)

select * from joined
