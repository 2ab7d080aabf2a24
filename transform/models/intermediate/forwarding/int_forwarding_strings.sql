with

consent as (

    select * from {{ ref('int_forwarding_consent') }}

),

strings as (

    select distinct undecoded_string as consent_string
    from consent
    where undecoded_string is not null

)

select * from strings
