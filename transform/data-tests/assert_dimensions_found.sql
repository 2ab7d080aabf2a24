{{ config(severity='warn') }}

select
    'Experiment ' || experiment_key || ', dimension "' || dimension || '": ' || case resolution
        when 'not_found'
            then 'no ' || kind || ' has that id or name. Correct it in its experiment.yml under a new `version`, or let the tap read that ' || kind || '.'
        when 'ambiguous'
            then 'several ' || kind || 's are called so. Give the id instead of the name, under a new `version`.'
        else 'its members have never been read completely. Select it in the tap and run the extraction to its end.'
    end || ' Who is assigned until then is of no level of it.' as problem
from {{ ref('int_experiment_dimensions') }}
where
    status = 'live'
    and resolution <> 'found'
