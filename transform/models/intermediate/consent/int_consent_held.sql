{%- set channels = lf_consent_channels() -%}

with

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

documents as (

    select
        profile_id,
        subscriptions,
        {{ lf_json_if_named('properties', '$consent', lf_json_text('properties', '$consent')) }} as consent_channels,
        {{ lf_json_if_named('properties', '$consent', lf_json_text('properties', '$consent_form_id')) }} as form_id,
        {{ lf_json_if_named('properties', '$consent', lf_json_text('properties', '$consent_form_version')) }} as form_version
    from profiles
    where subscriptions is not null

),

consents as (

    {% for channel in channels -%}
    {%- set place, purpose = channel.place, channel.purpose -%}
    select
        profile_id,
        '{{ channel.name }}' as channel,
        {{ lf_json_text_in('subscriptions', [place, purpose, 'consent']) }} as consent,
        {{ lf_json_text_in('subscriptions', [place, purpose, 'method']) }} as method,
        {{ lf_json_text_in('subscriptions', [place, purpose, 'method_detail']) }} as method_detail,
        {{ lf_json_text_in('subscriptions', [place, purpose, 'custom_method_detail']) }} as custom_method_detail,
        {% if channel.form_name is none -%}
        cast(null as {{ lf_type('varchar') }}) as form_id,
        cast(null as {{ lf_type('varchar') }}) as form_version,
        {% else -%}
        case when {{ lf_contains('lower(consent_channels)', lf_literal(channel.form_name)) }} then form_id end as form_id,
        case when {{ lf_contains('lower(consent_channels)', lf_literal(channel.form_name)) }} then form_version end as form_version,
        {% endif -%}
        {{ lf_json_text_in('subscriptions', [place, purpose, 'consent_timestamp']) }} as consent_timestamp,
        {{ lf_json_text_in('subscriptions', [place, purpose, 'last_updated']) }} as last_updated
    from documents
    where {{ lf_json_text_in('subscriptions', [place, purpose, 'consent']) }} in ('SUBSCRIBED', 'UNSUBSCRIBED')
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

timed as (

    select
        profile_id,
        channel,
        consent,
        method,
        coalesce(custom_method_detail, method_detail) as source,
        form_id,
        form_version,
        {{ lf_second('consent_timestamp') }} as consented_at,
        {{ lf_second('last_updated') }} as changed_at
    from consents

),

suppression_lists as (

    select
        profile_id,
        {% for name in ['suppression', 'list_suppressions'] -%}
        {{ lf_json_if_named('subscriptions', '"reason"', lf_json_member(lf_json_member(lf_json_member('subscriptions', 'email'), 'marketing'), name)) }} as {{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from documents

),

suppressions as (

    {{ lf_json_elements('suppression_lists', 'profile_id', 'suppression', 'element') }}

),

list_suppressions as (

    {{ lf_json_elements('suppression_lists', 'profile_id', 'list_suppressions', 'element') }}

),

suppressed as (

    select
        profile_id,
        {{ lf_json_text('element', 'reason') }} as reason,
        cast(null as {{ lf_type('varchar') }}) as list_id,
        {{ lf_second(lf_json_text('element', 'timestamp')) }} as changed_at
    from suppressions

    union all

    select
        profile_id,
        {{ lf_json_text('element', 'reason') }} as reason,
        {{ lf_json_text('element', 'list_id') }} as list_id,
        {{ lf_second(lf_json_text('element', 'timestamp')) }} as changed_at
    from list_suppressions

),

-- Of two of one reason the later counts, and one without a time is later than any.
newest as (

    select
        profile_id,
        list_id,
        coalesce(reason, '') as reason,
        case when count(*) = count(changed_at) then max(changed_at) end as changed_at
    from suppressed
    group by profile_id, list_id, coalesce(reason, '')

),

-- A suppression whose reason is new, or not told, is one all the same.
held as (

    select
        profile_id,
        channel,
        cast(null as {{ lf_type('varchar') }}) as list_id,
        case when consent = 'SUBSCRIBED' then 'given' else 'withdrawn' end as said,
        cast(null as {{ lf_type('varchar') }}) as block,
        method,
        source,
        case when consent = 'SUBSCRIBED' then form_id end as form_id,
        case when consent = 'SUBSCRIBED' then form_version end as form_version,
        case
            when consent = 'SUBSCRIBED' then coalesce(consented_at, changed_at)
            else {{ lf_larger('consented_at', 'changed_at') }}
        end as stated_at,
        changed_at
    from timed

    union all

    select
        profile_id,
        'email' as channel,
        list_id,
        case
            when reason in ('UNSUBSCRIBE', 'SPAM_COMPLAINT', 'SPAM_REPORT') or list_id is not null then 'withdrawn'
            else 'blocked'
        end as said,
        case
            when reason in ('UNSUBSCRIBE', 'SPAM_COMPLAINT', 'SPAM_REPORT') or list_id is not null then null
            when reason = 'HARD_BOUNCE' then 'hard_bounce'
            when reason = 'INVALID_EMAIL' then 'invalid_address'
            else 'suppressed'
        end as block,
        nullif(lower(reason), '') as method,
        cast(null as {{ lf_type('varchar') }}) as source,
        cast(null as {{ lf_type('varchar') }}) as form_id,
        cast(null as {{ lf_type('varchar') }}) as form_version,
        changed_at as stated_at,
        changed_at
    from newest

)

select * from held
