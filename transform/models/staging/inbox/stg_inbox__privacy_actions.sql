with

source as (

    select * from {{ lf_source('inbox', 'privacy_actions') }}

),

renamed as (

    select
        ---------- ids
        request_id,

        ---------- texts
        action,

        ---------- documents
        detail,

        ---------- timestamps
        acted_at

    from source

)

select * from renamed
