{{ config(severity='warn') }}

select
    'Experiment ' || quality.experiment_key || ': suspected bots are not alike in the arms of ' || quality.slot_key || ': '
    || {{ lf_text('min(quality.suspected_bots)') }} || ' to ' || {{ lf_text('max(quality.suspected_bots)') }} || ' profiles an arm, more than chance explains. '
    || 'They are left out of clicked, but those that the rules miss may differ as well: compare ordered, and see fct_experiment_data_quality.' as problem
from {{ ref('fct_experiment_data_quality') }} as quality
inner join {{ ref('stg_experiments__experiments') }} as experiments
    on
        quality.experiment_key = experiments.experiment_key
        and quality.experiment_version = experiments.experiment_version
where quality.has_unequal_bots
group by quality.experiment_key, quality.experiment_version, quality.slot_key
