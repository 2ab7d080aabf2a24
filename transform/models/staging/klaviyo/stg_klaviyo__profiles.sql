with

source as (

    select * from {{ lf_source('klaviyo', 'profiles') }}

),

renamed as (

    select
        ---------- ids
        id as profile_id,
        email,
        phone_number,
        external_id,

        ---------- texts
        first_name,
        last_name,
        title,
        organization,
        image,
        locale,

        ---------- objects
        location,
        properties,
        subscriptions,

        ---------- timestamps
        created as created_at,
        updated as updated_at,
        last_event_date as last_event_at,
        _sdc_batched_at as landed_at

    from source

)

select * from renamed
