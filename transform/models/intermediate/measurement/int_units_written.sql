with

wanted as (

    select * from {{ ref('int_tokens_live') }}

),

held as (

    select * from {{ ref('int_properties_held') }}

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

-- A token stands in the list of tokens, or its arm under the property of the slot, or in the object of all slots.
find_written as (

    select
        wanted.experiment_key,
        wanted.slot_key,
        wanted.arm_key,
        count(distinct wanted.profile_id) as units

    from wanted
    inner join held on wanted.profile_id = held.profile_id
    where
        (
            held.property = 'lf_assignments'
            and (
                {{ lf_contains(
                    lf_json_serialized('held.value'),
                    "'"' || wanted.experiment_key || ':' || wanted.slot_key || ':' || wanted.arm_key || '"'"
                ) }}
                or {{ lf_contains(
                    "replace(" ~ lf_json_serialized('held.value') ~ ", ' ', '')",
                    "'"' || wanted.experiment_key || '.' || wanted.slot_key || '":"' || wanted.arm_key || '"'"
                ) }}
            )
        )
        or (
            held.property = 'lf_' || wanted.experiment_key || '_' || wanted.slot_key
            and replace({{ lf_json_serialized('held.value') }}, ' ', '') = '"' || wanted.arm_key || '"'
        )
    group by wanted.experiment_key, wanted.slot_key, wanted.arm_key

),

-- Of a slot that nobody's profile carries yet, nothing is written and nothing to be checked.
units_written as (

    select
        ---------- ids
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,

        ---------- numerics
        coalesce(find_written.units, 0) as units

    from arms
    left join find_written
        on
            arms.experiment_key = find_written.experiment_key
            and arms.slot_key = find_written.slot_key
            and arms.arm_key = find_written.arm_key
    where arms.status = 'live'

)

select * from units_written
