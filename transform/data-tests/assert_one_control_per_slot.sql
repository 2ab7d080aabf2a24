select
    experiment_key,
    slot_key
from {{ ref('int_experiment_arms') }}
group by experiment_key, slot_key
having sum(case when is_control then 1 else 0 end) <> 1
