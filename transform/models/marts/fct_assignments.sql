{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
    )
}}

with

bucketed as (

    select * from {{ ref('int_profiles_bucketed') }}

),

add_reason as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        profile_id,

        ---------- numerics
        split_bucket as bucket,

        ---------- timestamps
        {{ lf_now() }} as assigned_at,

        ---------- texts
        'member of ' || group_type || ' ' || group_id
            || '; traffic ' || {{ lf_text('traffic_bp') }} || ' bp'
            || '; arm owns [' || {{ lf_text('bucket_start') }}
            || ', ' || {{ lf_text('bucket_end') }} || ')' as reason

    from bucketed

),

-- First assignment wins: whoever has a row keeps it, whatever the split, the traffic or the audience became.
keep_new as (

    select add_reason.*
    from add_reason
    {% if is_incremental() -%}
    where not exists (
        select 1
        from {{ this }} as ledger
        where
            ledger.experiment_key = add_reason.experiment_key
            and ledger.experiment_version = add_reason.experiment_version
            and ledger.slot_key = add_reason.slot_key
            and ledger.profile_id = add_reason.profile_id
    )
    {%- endif %}

)

select * from keep_new
