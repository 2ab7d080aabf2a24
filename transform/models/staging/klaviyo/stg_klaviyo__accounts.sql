with

source as (

    select * from {{ lf_source('klaviyo', 'accounts') }}

),

renamed as (

    select
        ---------- ids
        id as account_id,

        ---------- texts
        preferred_currency as currency

    from source

)

select * from renamed
