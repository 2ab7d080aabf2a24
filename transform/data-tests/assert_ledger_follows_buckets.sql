-- Every row of the ledger still carries the bucket that its salt and profile give.
select *
from {{ ref('fct_assignments') }}
where bucket <> {{ lf_bucket(lf_split_salt('fct_assignments'), 'profile_id') }}
