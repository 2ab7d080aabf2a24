with

source as (

    select * from {{ lf_source('inbox', 'orders') }}

),

renamed as (

    select
        ---------- ids
        source as shop,
        order_id,
        external_id,

        ---------- texts
        event,
        email,
        phone_number,
        currency,

        ---------- numerics
        {{ lf_if_below(lf_double('value'), '1e15') }} as value,

        ---------- documents
        {{ lf_json_array('lines') }} as lines,
        customer,
        details,

        ---------- timestamps
        occurred_at,
        received_at

    from source

)

select * from renamed
