with

source as (

    select * from {{ lf_source('klaviyo', 'campaign_messages') }}

),

-- Some columns have another name from revision 2026-10-15 on, or are there in one of the two alone.
renamed as (

    select
        ---------- ids
        id as message_id,
        campaign_id,
        template_id,

        ---------- texts
        coalesce(name, label) as message_label,
        status,
        channel,
        {%- for column, key in {'subject': 'subject', 'from_email': 'from_email', 'from_name': 'from_label'}.items() %}
        {{ lf_json_text_in('definition', ['content', key]) }} as {{ column }},
        {%- endfor %}

        ---------- timestamps
        coalesce(created, created_at) as created_at,
        coalesce(updated, updated_at) as updated_at,
        send_time as sent_at

    from source

)

select * from renamed
