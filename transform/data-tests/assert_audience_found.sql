{{ config(severity='warn') }}

select
    'Experiment ' || experiment_key || ': ' || case resolution
        when 'not_found'
            then 'no ' || group_type || ' has the id or name "' || audience
                || '". Correct `audience` in its experiment.yml, or let the tap read that ' || group_type || '.'
        when 'ambiguous'
            then 'several ' || group_type || 's are called "' || audience || '". Give the id instead of the name.'
        else 'the members of ' || group_type || ' "' || audience
            || '" have never been read completely. Select it in the tap and run the extraction to its end.'
    end || ' Nobody is assigned until then.' as problem
from {{ ref('int_experiment_audiences') }}
where
    status = 'live'
    and resolution <> 'found'
