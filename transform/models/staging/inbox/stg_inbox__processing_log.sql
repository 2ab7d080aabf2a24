with

source as (

    select * from {{ lf_source('inbox', 'processing_log') }}

),

renamed as (

    select
        ---------- ids
        hash as line_hash,
        previous_hash,
        line as line_number,
        run_id,
        request_id,

        ---------- texts
        did,
        source as place,
        what,
        because as purpose,
        action,

        ---------- numbers
        row_count,

        ---------- documents
        people,

        ---------- timestamps
        acted_at,
        logged_at

    from source

)

select * from renamed
