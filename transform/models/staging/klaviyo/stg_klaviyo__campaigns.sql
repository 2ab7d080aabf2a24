with

source as (

    select * from {{ lf_source('klaviyo', 'campaigns') }}

),

renamed as (

    select
        ---------- ids
        id as campaign_id,

        ---------- texts
        name as campaign_name,
        status,
        channel,

        ---------- booleans
        archived as is_archived,

        ---------- timestamps
        created_at,
        scheduled_at,
        updated_at,
        send_time as sent_at,
        _sdc_batched_at as landed_at

    from source

)

select * from renamed
