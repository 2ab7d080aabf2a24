with

source as (

    select * from {{ lf_source('klaviyo', 'campaign_variations') }}

),

renamed as (

    select
        ---------- ids
        id as variation_id,
        campaign_message_id as message_id,
        {{ lf_json_text('details', 'template_id') }} as template_id,

        ---------- texts
        name as variation_name,
        {{ lf_json_text('details', 'channel') }} as channel,
        {{ lf_json_text('details', 'subject') }} as subject,
        {{ lf_json_text('details', 'from_email') }} as from_email,
        {{ lf_json_text('details', 'from_label') }} as from_name,

        ---------- timestamps
        created as created_at,
        updated as updated_at

    from source

)

select * from renamed
