-- The format is a setting of tap-experiments, one for all; two of them would write the same property twice.
select count(distinct property_format) as formats
from {{ ref('stg_experiments__experiments') }}
having count(distinct property_format) > 1
