with

campaigns as (

    select * from {{ ref('int_campaigns') }}

),

campaign as (

    select
        ---------- ids
        campaign_id as id,
        template_id as email_template_id,

        ---------- texts
        campaign_name as name,
        status,
        channel as campaign_type,
        subject,
        from_email,
        from_name,

        ---------- booleans
        is_archived as archived,

        ---------- timestamps
        created_at as created,
        updated_at as updated,
        scheduled_at as scheduled,
        sent_at as send_time,
        case when status = 'Sent' then sent_at end as sent_at,
        coalesce(landed_at, updated_at) as _fivetran_synced

    from campaigns

)

select * from campaign
