{{ config(severity='warn') }}

-- These requests are to be answered within days.
select
    request_id,
    kind,
    law,
    state,
    due_at
from {{ ref('fct_privacy_requests') }}
where
    is_soon_due
    and not is_overdue
