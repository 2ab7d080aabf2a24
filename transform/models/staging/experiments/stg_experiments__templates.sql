with

source as (

    select * from {{ lf_source('experiments', 'experiment_templates') }}

),

-- The loader deletes nothing: what the last complete reading of the folder did not touch is no longer defined.
last_reading as (

    select max(defined_at) as defined_at from {{ lf_source('experiments', 'definition_snapshots') }}

),

renamed as (

    select
        ---------- ids
        template_name,
        experiment_key,

        ---------- texts
        channel,
        html,
        text,
        subject,
        sha256,
        content_sha256,

        ---------- timestamps
        defined_at

    from source
    where defined_at >= (select last_reading.defined_at from last_reading)

)

select * from renamed
