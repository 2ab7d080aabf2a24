-- Who is held out of an experiment has no other row of that version, and no token of it.
select
    held_out.experiment_key,
    held_out.profile_id
from {{ ref('fct_assignments') }} as held_out
inner join {{ ref('int_tokens_live') }} as tokens
    on
        held_out.experiment_key = tokens.experiment_key
        and held_out.profile_id = tokens.profile_id
inner join {{ ref('stg_experiments__experiments') }} as experiments
    on
        held_out.experiment_key = experiments.experiment_key
        and held_out.experiment_version = experiments.experiment_version
where held_out.slot_key = '*'
