-- Klaviyo took these deletions 14 days ago, and nobody has seen since, twice and a day apart, that they are done.
select
    request_id,
    accepted_at,
    unseen_at,
    due_at
from {{ ref('fct_privacy_requests') }}
where state = 'overdue'
