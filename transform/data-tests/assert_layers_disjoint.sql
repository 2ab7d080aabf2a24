-- Ranges of one layer do not overlap among drafts and live experiments.
select
    one.layer_name,
    one.experiment_key,
    other.experiment_key as other_experiment_key
from {{ ref('stg_experiments__experiments') }} as one
inner join {{ ref('stg_experiments__experiments') }} as other
    on
        one.layer_name = other.layer_name
        and one.experiment_key < other.experiment_key
        and one.layer_start_bp < other.layer_end_bp
        and other.layer_start_bp < one.layer_end_bp
where
    one.status <> 'ended'
    and other.status <> 'ended'
