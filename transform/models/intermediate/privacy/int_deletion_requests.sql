{%- set scopes = ['lists', 'sms', 'marketing', 'profile', 'warehouse'] -%}

with

requests as (

    select * from {{ ref('stg_inbox__privacy_requests') }}

),

actions as (

    select * from {{ ref('int_privacy_request_actions') }}

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
        actions.refused_at is not null as is_refused,
        coalesce(actions.refused_at, actions.closed_at) is not null as is_ended,
        coalesce(deletions.verified_at, actions.identity_verified_at) as identity_verified_at,
        deletions.received_at,
        actions.last_accepted_at as accepted_at,
        actions.came_back_at

    from deletions
    left join unknown_scopes on deletions.request_id = unknown_scopes.request_id
    left join actions on deletions.request_id = actions.request_id

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
