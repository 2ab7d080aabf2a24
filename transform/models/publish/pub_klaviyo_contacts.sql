{%- set attributes = ['first_name', 'last_name', 'organization', 'title', 'locale'] -%}
{#- How shops and forms write an address, and what Klaviyo calls it. -#}
{%- set addresses = {
    'address1': 'address1', 'address_1': 'address1', 'address2': 'address2', 'address_2': 'address2', 'city': 'city', 'region': 'region', 'province': 'region',
    'state': 'region', 'zip': 'zip', 'postcode': 'zip', 'country': 'country', 'timezone': 'timezone',
} -%}

with

pushed_contacts as (

    select * from {{ ref('int_pushed_contacts') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

contact_identifiers as (

    select * from {{ ref('int_contact_identifiers') }}

),

people_withdrawn as (

    select * from {{ ref('int_people_withdrawn') }}

),

-- To withdraw a consent makes nobody a contact.
statements as (

    select * from pushed_contacts
    where not is_withdrawn

),

people as (

    select
        contact_key,
        max(profile_id) as profile_id,
        max(external_id) as external_id,
        max(email) as email,
        max(phone_number) as phone_number

    from statements
    group by contact_key

),

names as (

    {% for name in attributes -%}
    select
        'attribute' as kind,
        '{{ name }}' as told_as,
        '{{ name }}' as name

    union all

    {% endfor -%}
    {% for told_as, name in addresses.items() -%}
    select
        'location' as kind,
        '{{ told_as }}' as told_as,
        '{{ name }}' as name
    {% if not loop.last -%}
    union all

    {% endif -%}
    {%- endfor %}

),

documents as (

    select
        contact_key,
        statement_ref,
        stated_at,
        'attribute' as kind,
        coalesce(customer, contact) as document
    from statements

    union all

    select
        contact_key,
        statement_ref,
        stated_at,
        'location' as kind,
        coalesce(
            {{ lf_json_member('customer', 'billing_address') }},
            {{ lf_json_member('customer', 'shipping_address') }},
            {{ lf_json_member('contact', 'location') }}
        ) as document
    from statements

),

texts as (

    select
        documents.contact_key,
        documents.statement_ref,
        documents.stated_at,
        names.kind,
        names.name,
        {{ lf_json_text_at('documents.document', 'names.told_as') }} as text

    from documents
    inner join names on documents.kind = names.kind

),

property_keys as (

    {{ lf_json_keys('statements', 'statement_ref', 'properties', 'name') }}

),

-- Other names are the experiments' and Klaviyo's own.
property_names as (

    select distinct name
    from property_keys
    where
        substr(name, 1, 3) <> 'lf_'
        and substr(name, 1, 1) <> '$'

),

properties as (

    {{ lf_json_entries('statements', 'statement_ref', 'properties', 'property_names', 'name') }}

),

told as (

    select
        contact_key,
        statement_ref,
        stated_at,
        kind,
        name,
        text,
        {{ lf_json_string('text') }} as value
    from texts
    where trim(text) <> ''

    union all

    select
        statements.contact_key,
        statements.statement_ref,
        statements.stated_at,
        'property' as kind,
        properties.name,
        cast(null as {{ lf_type('varchar') }}) as text,
        properties.value

    from properties
    inner join statements on properties.statement_ref = statements.statement_ref
    where not {{ lf_json_is_null('properties.value') }}

),

rank_by_time as (

    select
        *,
        row_number() over (partition by contact_key, kind, name order by stated_at desc, statement_ref desc) as recency
    from told

),

known_people as (

    select profiles.*
    from profiles
    where exists (
        select 1
        from people
        where people.profile_id = profiles.profile_id
    )

),

property_values as (

    {{ lf_json_entries('known_people', 'profile_id', 'properties', 'property_names', 'name') }}

),

name_kinds as (

    select distinct
        kind,
        name
    from names

),

held as (

    select
        known_people.profile_id,
        name_kinds.kind,
        name_kinds.name,
        {{ lf_json_string(
            "case name_kinds.name when 'first_name' then known_people.first_name when 'last_name' then known_people.last_name"
            ~ " when 'organization' then known_people.organization when 'title' then known_people.title"
            ~ " when 'locale' then known_people.locale else " ~ lf_json_text_at('known_people.location', 'name_kinds.name') ~ " end"
        ) }} as value

    from known_people
    cross join name_kinds

    union all

    select
        profile_id,
        'property' as kind,
        name,
        value
    from property_values

),

differing as (

    select
        rank_by_time.contact_key,
        rank_by_time.kind,
        rank_by_time.name,
        rank_by_time.text,
        rank_by_time.value

    from rank_by_time
    inner join people on rank_by_time.contact_key = people.contact_key
    left join held
        on
            people.profile_id = held.profile_id
            and rank_by_time.kind = held.kind
            and rank_by_time.name = held.name
    where
        rank_by_time.recency = 1
        and {{ lf_is_distinct(lf_json_canonical('rank_by_time.value'), lf_json_canonical('held.value')) }}

),

grouped as (

    select
        contact_key,
        {% for name in attributes -%}
        max(case when kind = 'attribute' and name = '{{ name }}' then text end) as {{ name }},
        {% endfor -%}
        {{ lf_json_object_agg('name', 'value', condition="kind = 'location'") }} as location,
        {{ lf_json_object_agg('name', 'value', condition="kind = 'property'") }} as properties

    from differing
    group by contact_key

),

further as (

    select
        contact_key,
        {{ lf_json_object_agg('kind', lf_json_string('identifier')) }} as further_identifiers
    from contact_identifiers
    where state = 'free'
    group by contact_key

),

-- Who has withdrawn from anything, by any of their identifiers, is put on no list.
people_keys as (

    select
        contact_key,
        contact_key as any_key
    from people

    union all

    select
        contact_key,
        'email:' || lower(email) as any_key
    from people

    union all

    select
        contact_key,
        'phone_number:' || phone_number as any_key
    from people

),

left_people as (

    select distinct people_keys.contact_key

    from people_keys
    inner join people_withdrawn on people_keys.any_key = people_withdrawn.contact_key

),

-- Known by one identifier alone, since two could merge profiles; the others are given to the profile once it is there.
contacts as (

    select
        people.profile_id as id,
        case
            when people.profile_id is null and people.email is null and people.phone_number is null then people.external_id
        end as external_id,
        case when people.profile_id is null then people.email end as email,
        case when people.profile_id is null and people.email is null then people.phone_number end as phone_number,
        {% for name in attributes -%}
        grouped.{{ name }},
        {% endfor -%}
        grouped.location,
        grouped.properties,
        further.further_identifiers,
        case when people.profile_id is null and left_people.contact_key is null then {{ lf_contacts_list() }} end as list_id

    from people
    left join grouped on people.contact_key = grouped.contact_key
    left join further on people.contact_key = further.contact_key
    left join left_people on people.contact_key = left_people.contact_key
    where
        people.profile_id is null
        or grouped.contact_key is not null
        or further.contact_key is not null

)

select * from contacts
