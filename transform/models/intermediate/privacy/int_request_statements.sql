{%- set channels = {
    'email': 'is_profile or is_marketing', 'email_open_tracking': 'is_profile', 'email_click_tracking': 'is_profile',
    'sms': 'is_profile or is_marketing or is_sms', 'sms_transactional': 'is_profile', 'whatsapp': 'is_profile or is_marketing', 'whatsapp_transactional': 'is_profile',
    'push': 'is_profile',
} -%}
{#- What is handed to Klaviyo, too: of a profile that is deleted nothing is left to tell. -#}
{%- set told = {'email': 'is_marketing', 'sms': 'is_marketing or is_sms', 'whatsapp': 'is_marketing'} -%}

with

deletion_requests as (

    select * from {{ ref('int_deletion_requests') }}

),

deletion_profiles as (

    select * from {{ ref('int_deletion_profiles') }}

),

-- A consent between a request to be deleted and the deletion is deleted with it.
requests as (

    select
        *,
        case
            when is_profile and accepted_at is not null then accepted_at
            when received_at < {{ lf_now() }} then received_at
            else {{ lf_now() }}
        end as stated_at
    from deletion_requests
    where
        identity_verified_at is not null
        and is_scope_known
        and not is_refused

),

-- By what the request names, and by what the profiles are known by that Klaviyo still has.
people as (

    select
        request_id,
        cast(null as {{ lf_type('varchar') }}) as found_profile_id,
        profile_id,
        email,
        phone_number
    from requests
    where coalesce(profile_id, email, phone_number) is not null

    union all

    select
        request_id,
        profile_id as found_profile_id,
        profile_id,
        email,
        phone_number
    from deletion_profiles
    where not is_of_others

),

withdrawn as (

    {% for channel, condition in channels.items() -%}
    select
        people.*,
        requests.stated_at,
        '{{ channel }}' as channel,
        'privacy_request' as method,
        {% if channel in told -%}
        people.found_profile_id is not null and ({{ told[channel] }}) as is_told
        {%- else -%}
        false as is_told
        {%- endif %}

    from people
    inner join requests on people.request_id = requests.request_id
    where
        ({{ condition }})
        and {{ 'people.email' if channel.startswith('email') else 'people.profile_id' if channel == 'push' else 'people.phone_number' }} is not null
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

suppressed as (

    select
        people.*,
        requests.stated_at,
        'email' as channel,
        'suppressed' as method,
        true as is_told

    from people
    inner join requests on people.request_id = requests.request_id
    where
        people.found_profile_id is not null
        and people.email is not null
        and not requests.is_ended
        and (requests.is_marketing{{ ' or requests.is_profile' if lf_variable('suppress_before_deletion') }})

),

together as (

    select * from withdrawn

    union all

    select * from suppressed

),

stated as (

    select
        ---------- ids
        'request:' || request_id || ':' || channel || ':' || method || coalesce(':' || found_profile_id, '') as statement_ref,
        profile_id,

        ---------- texts
        channel,
        method,
        email,
        phone_number,

        ---------- booleans
        is_told,

        ---------- timestamps
        stated_at

    from together

)

select * from stated
