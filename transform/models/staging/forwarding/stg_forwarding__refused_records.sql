with

source as (

    select * from {{ lf_source('forwarding', 'refused_records') }}

),

renamed as (

    select
        ---------- ids
        refusal_id,
        unique_id,

        ---------- texts
        stream as stream_name,
        metric,
        code,
        detail,
        remedy,

        ---------- timestamps
        refused_at

    from source

)

select * from renamed
