-- What the newest run assigned carries the bucket that its salt and profile give. Earlier runs were looked at in their turn. Who was erased since has a hash in the
-- place of the profile's id, from which no bucket follows.
with

ledger as (

    select * from {{ ref('fct_assignments') }}
    where
        slot_key <> '*'
        and profile_id not like 'erased-%'
        and assigned_at = (select max(assigned_at) from {{ ref('fct_assignments') }})

)

select ledger.*
from ledger
inner join {{ ref('stg_experiments__experiments') }} as experiments
    on
        ledger.experiment_key = experiments.experiment_key
        and ledger.experiment_version = experiments.experiment_version
where
    experiments.unit_hash = 'md5'
    and ledger.bucket <> {{ lf_bucket(lf_split_salt('experiments', 'ledger.slot_key', 'ledger.salt_try'), 'ledger.profile_id') }}
