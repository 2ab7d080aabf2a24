with

tokens as (

    select * from {{ ref('int_tokens_live') }}

),

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

formatted_tokens as (

    select
        tokens.*,
        experiments.property_format

    from tokens
    inner join experiments on tokens.experiment_key = experiments.experiment_key

),

as_list as (

    select
        profile_id,
        'lf_assignments' as property,
        {{ lf_json_array_agg("experiment_key || ':' || slot_key || ':' || arm_key") }} as value

    from formatted_tokens
    where property_format = 'list'
    group by profile_id

),

as_object as (

    select
        profile_id,
        'lf_assignments' as property,
        {{ lf_json_object_agg("experiment_key || '.' || slot_key", lf_json_string('arm_key')) }} as value

    from formatted_tokens
    where property_format = 'object'
    group by profile_id

),

as_flat as (

    select
        profile_id,
        'lf_' || experiment_key || '_' || slot_key as property,
        {{ lf_json_string('arm_key') }} as value

    from formatted_tokens
    where property_format = 'flat'

),

unioned as (

    select * from as_list

    union all

    select * from as_object

    union all

    select * from as_flat

)

select * from unioned
