with

source as (

    select * from {{ lf_source('forwarding', 'consent_strings') }}

),

renamed as (

    select
        ---------- ids
        string_sha256,

        ---------- texts
        scheme,
        error as fault,

        ---------- documents
        {{ lf_json_array('purposes') }} as purposes,
        {{ lf_json_array('vendors') }} as vendors,
        {{ lf_json_array('refused') }} as refused,
        {{ lf_json_array('opted_out') }} as opted_out,

        ---------- timestamps
        decoded_at

    from source

)

select * from renamed
