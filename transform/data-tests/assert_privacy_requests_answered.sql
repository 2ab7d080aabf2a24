-- The law's clock of these requests has run out, or that of the confirmation of their receipt.
select
    request_id,
    kind,
    law,
    state,
    due_at,
    confirmation_due_at
from {{ ref('fct_privacy_requests') }}
where
    is_overdue
    or is_confirmation_overdue
