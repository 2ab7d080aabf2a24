with

source as (

    select * from {{ lf_source('experiments', 'definition_snapshots') }}

),

renamed as (

    select
        ---------- ids
        name as snapshot_name,

        ---------- numerics
        cast(experiments as bigint) as experiments,

        ---------- timestamps
        defined_at

    from source

)

select * from renamed
