-- Rows of the catalogue that name each other: the parts of a ratio are metrics and no ratios, and of the denominator's events only those of a mean
-- are counted. One metric says who has received.
with

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

)

select
    ratios.metric,
    'numerator and denominator must be outcome metrics that are no ratios; events are counted of a mean' as problem
from outcome_metrics as ratios
left join outcome_metrics as numerators on ratios.numerator = numerators.metric
left join outcome_metrics as denominators on ratios.denominator = denominators.metric
where
    ratios.kind = 'ratio'
    and not coalesce(
        numerators.kind <> 'ratio'
        and denominators.kind <> 'ratio'
        and (ratios.aggregation = 'value' or denominators.kind = 'mean'), false
    )

union all

select
    max(metric) as metric,
    'one outcome metric must have the aggregation receipt' as problem
from outcome_metrics
where aggregation = 'receipt'
having count(*) <> 1
