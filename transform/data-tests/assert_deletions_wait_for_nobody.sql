{{ config(severity='warn') }}

-- No run of the job `deletions` will delete these: somebody has to correct the request, or to refuse it.
select
    request_id,
    waits_for,
    due_at
from {{ ref('fct_privacy_requests') }}
where waits_for in ('scope', 'identifier', 'other_person', 'profile')
