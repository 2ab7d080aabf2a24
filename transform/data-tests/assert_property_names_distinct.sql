-- `lf_a_b_c` is slot c of experiment a_b or slot b_c of experiment a: both cannot be published as flat properties.
select 'lf_' || experiment_key || '_' || slot_key as property
from {{ ref('int_experiment_arms') }}
group by property
having count(distinct experiment_key || '.' || slot_key) > 1
