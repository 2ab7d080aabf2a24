with

profile_identifiers as (

    select * from {{ ref('int_profile_identifiers') }}

),

grouped as (

    {{ lf_profile_keys() }}

)

select * from grouped
