-- Nobody of whom the ledger knows nothing is given another arm than the one that Klaviyo holds: else it is the ledger that was lost, or is an
-- older copy. A few may be profiles that Klaviyo merged; with more than one in a hundred of the newcomers nobody is assigned.
with

newcomers as (

    select
        experiment_key,
        slot_key,
        arm_key,
        profile_id
    from {{ ref('int_profiles_bucketed') }}
    where slot_key <> '*'

),

-- Under an earlier version, too: what Klaviyo holds may be of that one.
strangers as (

    select newcomers.*
    from newcomers
    left join {{ lf_ledger('fct_assignments') }} as ledger
        on
            newcomers.experiment_key = ledger.experiment_key
            and newcomers.slot_key = ledger.slot_key
            and newcomers.profile_id = ledger.profile_id
    where ledger.profile_id is null

),

stranger_profiles as (

    select distinct profile_id
    from strangers

),

profiles as (

    select
        profiles.profile_id,
        profiles.properties
    from {{ ref('stg_klaviyo__profiles') }} as profiles
    inner join stranger_profiles on profiles.profile_id = stranger_profiles.profile_id

),

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

our_properties as (

    select 'lf_assignments' as property

    union all

    select distinct 'lf_' || experiment_key || '_' || slot_key as property
    from arms

),

find_ours as (

    {{ lf_json_entries('profiles', 'profile_id', 'properties', 'our_properties', 'property') }}

),

held as (

    select
        profile_id,
        property,
        replace({{ lf_json_serialized('value') }}, ' ', '') as value
    from find_ours

),

-- As each `property_format` writes it; whether a text is in another one is seen by taking it out.
otherwise as (

    select distinct
        strangers.experiment_key,
        strangers.slot_key,
        strangers.profile_id
    from strangers
    inner join held on strangers.profile_id = held.profile_id
    inner join arms
        on
            strangers.experiment_key = arms.experiment_key
            and strangers.slot_key = arms.slot_key
            and strangers.arm_key <> arms.arm_key
    where
        (
            held.property = 'lf_assignments'
            and (
                replace(held.value, '"' || arms.experiment_key || ':' || arms.slot_key || ':' || arms.arm_key || '"', '') <> held.value
                or replace(held.value, '"' || arms.experiment_key || '.' || arms.slot_key || '":"' || arms.arm_key || '"', '') <> held.value
            )
        )
        or (
            held.property = 'lf_' || arms.experiment_key || '_' || arms.slot_key
            and held.value = '"' || arms.arm_key || '"'
        )

),

count_otherwise as (

    select
        experiment_key,
        slot_key,
        count(*) as profiles
    from otherwise
    group by experiment_key, slot_key

),

count_newcomers as (

    select
        experiment_key,
        slot_key,
        count(*) as profiles
    from newcomers
    group by experiment_key, slot_key

)

select
    'Experiment ' || count_otherwise.experiment_key || ': Klaviyo holds another arm of ' || count_otherwise.slot_key || ' of '
    || {{ lf_text('count_otherwise.profiles') }} || ' profiles that the ledger does not know. Nobody was assigned. Put back the warehouse '
    || 'from its newest copy; without one, give the experiment another key, under which all are assigned anew.' as problem
from count_otherwise
inner join count_newcomers
    on
        count_otherwise.experiment_key = count_newcomers.experiment_key
        and count_otherwise.slot_key = count_newcomers.slot_key
where count_otherwise.profiles * 100 > count_newcomers.profiles
