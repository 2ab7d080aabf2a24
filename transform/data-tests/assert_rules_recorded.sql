-- Every row of the ledger can say why.
with

used as (

    select distinct rule_id
    from {{ ref('fct_assignments') }}

)

select used.rule_id
from used
left join {{ ref('fct_assignment_rules') }} as rules on used.rule_id = rules.rule_id
where rules.rule_id is null
