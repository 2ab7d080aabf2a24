with

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

gone as (

    select * from {{ ref('int_profiles_gone') }}

),

person as (

    select
        ---------- ids
        profiles.profile_id as id,
        profiles.email,
        profiles.phone_number,

        ---------- texts
        profiles.first_name,
        profiles.last_name,
        profiles.organization,
        profiles.title,
        {%- set columns = {
            'address_1': 'address1', 'address_2': 'address2', 'city': 'city', 'region': 'region', 'country': 'country', 'zip': 'zip', 'timezone': 'timezone',
        } %}
        {%- for column, key in columns.items() %}
        {{ lf_json_text('profiles.location', key) }} as {{ column }},
        {%- endfor %}

        ---------- numerics
        {{ lf_number(lf_json_text('profiles.location', 'latitude')) }} as latitude,
        {{ lf_number(lf_json_text('profiles.location', 'longitude')) }} as longitude,

        ---------- booleans
        gone.profile_id is not null as _fivetran_deleted,

        ---------- timestamps
        profiles.created_at as created,
        profiles.updated_at as updated,
        profiles.last_event_at as last_event_date,
        coalesce(profiles.landed_at, profiles.updated_at) as _fivetran_synced

    from profiles
    left join gone on profiles.profile_id = gone.profile_id

)

select * from person
