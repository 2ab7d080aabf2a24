{%- set scopes = ['lists', 'sms', 'marketing', 'profile', 'warehouse'] -%}

with

requests as (

    select * from {{ ref('stg_inbox__privacy_requests') }}

),

actions as (

    select * from {{ ref('stg_inbox__privacy_actions') }}

),

deletions as (

    select
        request_id,
        nullif(trim(profile_id), '') as profile_id,
        nullif(trim(external_id), '') as external_id,
        {{ lf_text_of_pattern('trim(email)', '[^@ ]+@[^@ ]+[.][^@ .]+') }} as email,
        {{ lf_phone_number('phone_number') }} as phone_number,
        scope,
        scope is null or coalesce({{ lf_json_is_null('scope') }}, false) as is_everything,
        verified_at,
        received_at
    from requests
    where kind = 'deletion'

),

scope_names as (

    {{ lf_json_keys('deletions', 'request_id', 'scope', 'name') }}

),

-- A scope of another name may mean more than is known here, or less.
unknown_scopes as (

    select distinct request_id
    from scope_names
    where name not in ('{{ scopes | join("', '") }}')

),

acted as (

    select
        request_id,
        min(case when action = 'identity_verified' then acted_at end) as identity_verified_at,
        min(case when action in ('unseen', 'verified') then acted_at end) as first_unseen_at,
        max(case when action = 'accepted' then acted_at end) as accepted_at,
        max(case when action = 'refused' then 1 else 0 end) as is_refused,
        max(case when action = 'closed' then 1 else 0 end) as is_closed
    from actions
    group by request_id

),

-- Who was not seen, and is there again.
returned as (

    select
        actions.request_id,
        max(actions.acted_at) as came_back_at

    from actions
    inner join acted on actions.request_id = acted.request_id
    where
        actions.action in ('still_there', 'overdue')
        and actions.acted_at > acted.first_unseen_at
    group by actions.request_id

),

asked as (

    select
        deletions.request_id,
        deletions.profile_id,
        deletions.external_id,
        deletions.email,
        deletions.phone_number,
        {% for scope in scopes -%}
        {% if scope in ['profile', 'warehouse'] -%}
        deletions.is_everything or {{ lf_json_is_true('deletions.scope', scope) }} as is_{{ scope }},
        {% else -%}
        not deletions.is_everything and {{ lf_json_is_true('deletions.scope', scope) }} as is_{{ scope }},
        {% endif -%}
        {% endfor -%}
        unknown_scopes.request_id is not null as has_unknown_scope,
        coalesce(acted.is_refused, 0) = 1 as is_refused,
        coalesce(acted.is_refused, 0) = 1 or coalesce(acted.is_closed, 0) = 1 as is_ended,
        coalesce(deletions.verified_at, acted.identity_verified_at) as identity_verified_at,
        deletions.received_at,
        acted.accepted_at,
        returned.came_back_at

    from deletions
    left join unknown_scopes on deletions.request_id = unknown_scopes.request_id
    left join acted on deletions.request_id = acted.request_id
    left join returned on deletions.request_id = returned.request_id

),

-- Whose identity will be verified is not verified.
known as (

    select
        ---------- ids
        request_id,
        profile_id,
        external_id,

        ---------- texts
        email,
        phone_number,

        ---------- booleans
        {% for scope in scopes -%}
        is_{{ scope }},
        {% endfor -%}
        not has_unknown_scope and ({% for scope in scopes %}is_{{ scope }}{{ ' or ' if not loop.last }}{% endfor %}) as is_scope_known,
        is_refused,
        is_ended,

        ---------- timestamps
        case when identity_verified_at <= {{ lf_now() }} then identity_verified_at end as identity_verified_at,
        received_at,
        accepted_at,
        came_back_at

    from asked

)

select * from known
