with

source as (

    select * from {{ lf_source('klaviyo', 'campaign_messages') }}

),

renamed as (

    select
        ---------- ids
        id as message_id,
        campaign_id,
        template_id,

        ---------- texts
        label as message_label,
        channel,

        ---------- timestamps
        created_at,
        updated_at

    from source

)

select * from renamed
