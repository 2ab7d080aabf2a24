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

-- What a profile's property would contain, in the three formats that it may have.
spell as (

    select
        *,
        '"' || experiment_key || ':' || slot_key || ':' || arm_key || '"' as token,
        '"' || experiment_key || '.' || slot_key || '":"' || arm_key || '"' as entry,
        'lf_' || experiment_key || '_' || slot_key as flat_property,
        '"' || arm_key || '"' as flat_value

    from wanted

),

read_held as (

    select
        profile_id,
        property,
        replace({{ lf_json_serialized('value') }}, ' ', '') as content

    from held

),

find_written as (

    select
        spell.experiment_key,
        spell.slot_key,
        spell.arm_key,
        count(distinct spell.profile_id) as units

    from spell
    inner join read_held on spell.profile_id = read_held.profile_id
    where
        (
            read_held.property = 'lf_assignments'
            and ({{ lf_contains('read_held.content', 'spell.token') }} or {{ lf_contains('read_held.content', 'spell.entry') }})
        )
        or (
            read_held.property = spell.flat_property
            and read_held.content = spell.flat_value
        )
    group by spell.experiment_key, spell.slot_key, spell.arm_key

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
