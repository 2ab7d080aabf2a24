with

source as (

    select * from {{ lf_source('inbox', 'flow_requests') }}

),

renamed as (

    select
        ---------- ids
        request_id,
        experiment_key,
        profile_id,
        tracking_id,

        ---------- documents
        attrs,
        fields,

        ---------- timestamps
        received_at

    from source

)

select * from renamed
