-- What was registered at the first assignment of a version stays: to change it, raise the version. The ledger is read as earlier
-- runs left it, so that the build stops before it assigns anybody.
with

used as (

    select distinct rule_id
    from {{ lf_ledger('fct_assignments') }}

)

select
    rules.experiment_key,
    rules.experiment_version,
    min(rules.preregistration_sha256) as registered,
    experiments.preregistration_sha256 as defined_now
from {{ lf_ledger('fct_assignment_rules') }} as rules
inner join used on rules.rule_id = used.rule_id
inner join {{ ref('stg_experiments__experiments') }} as experiments
    on
        rules.experiment_key = experiments.experiment_key
        and rules.experiment_version = experiments.experiment_version
group by rules.experiment_key, rules.experiment_version, experiments.preregistration_sha256
having
    min(rules.preregistration_sha256) <> experiments.preregistration_sha256
    or max(rules.preregistration_sha256) <> experiments.preregistration_sha256
