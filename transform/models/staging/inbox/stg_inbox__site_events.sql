with

source as (

    select * from {{ lf_source('inbox', 'site_events') }}

),

renamed as (

    select
        ---------- ids
        message_id,
        user_id,
        anonymous_id,

        ---------- texts
        type,
        event,

        ---------- documents
        properties,
        context,

        ---------- timestamps
        occurred_at,
        received_at

    from source

)

select * from renamed
