with

resource_ids as (

    select * from {{ lf_source('klaviyo', 'resource_ids') }}

),

profile_ids as (

    select * from {{ lf_source('klaviyo', 'profile_ids') }}

),

combined as (

    select
        ---------- ids
        id as resource_id,

        ---------- texts
        stream_name,

        ---------- timestamps
        seen_at

    from resource_ids

    union all

    select
        ---------- ids
        id as resource_id,

        ---------- texts
        'profiles' as stream_name,

        ---------- timestamps
        swept_at as seen_at

    from profile_ids

)

select * from combined
