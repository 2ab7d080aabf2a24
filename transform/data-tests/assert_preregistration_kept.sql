-- What was registered at the first assignment of a version stays: to change it, raise the version. The ledger is read as earlier
-- runs left it, so that the build stops before it assigns anybody.
select
    ledger.experiment_key,
    ledger.experiment_version,
    min(ledger.preregistration_sha256) as registered,
    experiments.preregistration_sha256 as defined_now
from {{ lf_ledger('fct_assignments') }} as ledger
inner join {{ ref('stg_experiments__experiments') }} as experiments
    on
        ledger.experiment_key = experiments.experiment_key
        and ledger.experiment_version = experiments.experiment_version
group by ledger.experiment_key, ledger.experiment_version, experiments.preregistration_sha256
having
    min(ledger.preregistration_sha256) <> experiments.preregistration_sha256
    or max(ledger.preregistration_sha256) <> experiments.preregistration_sha256
