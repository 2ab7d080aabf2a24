{%- set attributes = ['first_name', 'last_name', 'organization', 'title', 'image', 'locale'] -%}
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

forwarding_contacts as (

    select * from {{ ref('int_forwarding_contacts') }}

),

profile_identifiers as (

    select * from {{ ref('int_profile_identifiers') }}

),

-- To withdraw a consent makes nobody a contact.
statements as (

    select * from pushed_contacts
    where not is_withdrawn

),

forwarded_lately as (

    select * from forwarding_contacts
    where {{ lf_is_sent_still('recorded_at') }}

),

profile_keys as (

    {{ lf_profile_keys('select forwarded_lately.contact_key from forwarded_lately') }}

),

-- Of a call that is forwarded somebody is known by what its events are sent under.
forwarded as (

    select
        forwarded_lately.*,
        profile_keys.profile_id as known_profile_id

    from forwarded_lately
    left join profile_keys on forwarded_lately.contact_key = profile_keys.contact_key

),

keyed as (

    select
        contact_key,
        profile_id,
        external_id,
        email,
        phone_number,
        1 as joins_list
    from statements

    union all

    select
        contact_key,
        coalesce(known_profile_id, case when contact_key = 'id:' || profile_id then profile_id end) as profile_id,
        case when contact_key = 'external_id:' || external_id then external_id end as external_id,
        case when contact_key = 'email:' || lower(email) then email end as email,
        case when contact_key = 'phone_number:' || phone_number then phone_number end as phone_number,
        0 as joins_list
    from forwarded
    where name = ''

),

-- Who is told of by several identifiers of one profile is one.
contact_keys as (

    select
        contact_key,
        coalesce('id:' || max(profile_id), contact_key) as person_key
    from keyed
    group by contact_key

),

people as (

    select
        contact_keys.person_key,
        max(keyed.profile_id) as profile_id,
        max(keyed.external_id) as external_id,
        max(keyed.email) as email,
        max(keyed.phone_number) as phone_number,
        max(keyed.joins_list) as joins_list

    from keyed
    inner join contact_keys on keyed.contact_key = contact_keys.contact_key
    group by contact_keys.person_key

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
    from (
        select name from property_keys

        union all

        select substr(name, 12) as name
        from forwarded
        where substr(name, 1, 11) = 'properties.'
    ) as told_names
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

    union all

    select
        contact_key,
        'forwarding:' || event_ref as statement_ref,
        stated_at,
        'property' as kind,
        substr(name, 12) as name,
        cast(null as {{ lf_type('varchar') }}) as text,
        value
    from forwarded
    where substr(name, 1, 11) = 'properties.'

    union all

    select
        contact_key,
        'forwarding:' || event_ref as statement_ref,
        stated_at,
        case when substr(name, 1, 9) = 'location.' then 'location' else 'attribute' end as kind,
        replace(name, 'location.', '') as name,
        {{ lf_json_scalar('value') }} as text,
        {{ lf_json_string(lf_json_scalar('value')) }} as value
    from forwarded
    where
        name <> ''
        and substr(name, 1, 11) <> 'properties.'

),

rank_by_time as (

    select
        contact_keys.person_key,
        told.*,
        row_number() over (
            partition by contact_keys.person_key, told.kind, told.name
            order by told.stated_at desc, told.statement_ref desc
        ) as recency

    from told
    inner join contact_keys on told.contact_key = contact_keys.contact_key
    where
        told.kind <> 'property'
        or (substr(told.name, 1, 3) <> 'lf_' and substr(told.name, 1, 1) <> '$')

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

    select distinct *
    from (
        select
            kind,
            name
        from names

        union all

        select
            'location' as kind,
            name
        from told
        where kind = 'location'
    ) as told_twice

),

held as (

    select
        known_people.profile_id,
        name_kinds.kind,
        name_kinds.name,
        {{ lf_json_string(
            "case name_kinds.name when 'first_name' then known_people.first_name when 'last_name' then known_people.last_name"
            ~ " when 'organization' then known_people.organization when 'title' then known_people.title when 'image' then known_people.image"
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
        rank_by_time.person_key,
        rank_by_time.kind,
        rank_by_time.name,
        rank_by_time.text,
        rank_by_time.value

    from rank_by_time
    inner join people on rank_by_time.person_key = people.person_key
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
        person_key,
        {% for name in attributes -%}
        max(case when kind = 'attribute' and name = '{{ name }}' then text end) as {{ name }},
        {% endfor -%}
        {{ lf_json_object_agg('name', 'value', condition="kind = 'location'") }} as location,
        {{ lf_json_object_agg('name', 'value', condition="kind = 'property'") }} as properties

    from differing
    group by person_key

),

number_further as (

    select
        contact_keys.person_key,
        contact_identifiers.kind,
        contact_identifiers.identifier,
        row_number() over (
            partition by contact_keys.person_key, contact_identifiers.kind
            order by contact_identifiers.contact_key
        ) as place

    from contact_identifiers
    inner join contact_keys on contact_identifiers.contact_key = contact_keys.contact_key
    where contact_identifiers.state = 'free'

),

further as (

    select
        person_key,
        {{ lf_json_object_agg('kind', lf_json_string('identifier')) }} as further_identifiers
    from number_further
    where place = 1
    group by person_key

),

-- Who has withdrawn from anything, by any of their identifiers, is put on no list.
people_keys as (

    select
        person_key,
        contact_key as any_key
    from contact_keys

    union all

    select
        person_key,
        'email:' || lower(email) as any_key
    from people

    union all

    select
        person_key,
        'phone_number:' || phone_number as any_key
    from people

),

left_people as (

    select distinct people_keys.person_key

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
        case when people.profile_id is null and people.joins_list = 1 and left_people.person_key is null then {{ lf_contacts_list() }} end as list_id

    from people
    left join grouped on people.person_key = grouped.person_key
    left join further on people.person_key = further.person_key
    left join left_people on people.person_key = left_people.person_key
    where
        people.profile_id is null
        or grouped.person_key is not null
        or further.person_key is not null

)

select * from contacts
