{{ config(**lf_outlives_definition()) }}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

assignments as (

    select * from {{ ref('fct_assignments') }}

),

receipts as (

    select * from {{ ref('int_messages_received') }}

),

messages as (

    select * from {{ ref('int_experiment_messages') }}

),

events as (

    select * from {{ ref('int_events_classified') }}

),

event_roles as (

    select * from {{ ref('event_roles') }}

),

clickers as (

    select
        messages.experiment_key,
        messages.experiment_version,
        events.profile_id,
        max(case when events.is_human then 1 else 0 end) as is_person,
        max(case when events.is_suspected_bot then 1 else 0 end) as is_suspected,
        max(case when not events.is_human and not events.is_suspected_bot then 1 else 0 end) as is_flagged,
        sum(case when events.is_suspected_bot then 1 else 0 end) as suspected_clicks

    from events
    inner join messages on events.message_id = messages.message_id
    inner join event_roles on events.role = event_roles.role
    where
        event_roles.machine_flag = 'bot_click'
        and events.profile_id is not null
        {{ lf_since_messages(ref('int_experiment_messages'), 'events.occurred_at') }}
    group by messages.experiment_key, messages.experiment_version, events.profile_id

),

count_units as (

    select
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,
        min(arms.weight_bp) as weight_bp,
        count(assignments.profile_id) as units,
        count(receipts.profile_id) as received,
        sum(case when receipts.received_at < assignments.assigned_at then 1 else 0 end) as received_before_assigned,
        sum(coalesce(clickers.is_person, 0)) as clicked,
        sum(coalesce(clickers.is_flagged, 0)) as flagged_bots,
        sum(coalesce(clickers.is_suspected, 0)) as suspected_bots,
        sum(coalesce(clickers.suspected_clicks, 0)) as suspected_clicks

    from arms
    left join assignments
        on
            arms.experiment_key = assignments.experiment_key
            and arms.experiment_version = assignments.experiment_version
            and arms.slot_key = assignments.slot_key
            and arms.arm_key = assignments.arm_key
    left join receipts
        on
            assignments.experiment_key = receipts.experiment_key
            and assignments.experiment_version = receipts.experiment_version
            and assignments.profile_id = receipts.profile_id
    left join clickers
        on
            receipts.experiment_key = clickers.experiment_key
            and receipts.experiment_version = clickers.experiment_version
            and receipts.profile_id = clickers.profile_id
    where arms.status <> 'draft'
    group by arms.experiment_key, arms.experiment_version, arms.slot_key, arms.arm_key

),

-- Chance gives every mailbox to an arm by the arm's weight, a scanned one like any other.
bots as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        weight_bp,
        suspected_bots as observed
    from count_units

),

test as (

    {{ lf_multinomial_test('bots', ['experiment_key', 'experiment_version', 'slot_key']) }}

),

data_quality as (

    select
        ---------- ids
        count_units.experiment_key,
        count_units.experiment_version,
        count_units.slot_key,
        count_units.arm_key,

        ---------- numerics
        {%- for count in ['units', 'received', 'received_before_assigned', 'clicked', 'flagged_bots', 'suspected_bots', 'suspected_clicks'] %}
        cast(count_units.{{ count }} as {{ lf_type('bigint') }}) as {{ count }},
        {%- endfor %}
        {{ lf_double('count_units.suspected_bots') }} / nullif(count_units.received, 0) as suspected_bot_rate,
        {{ lf_double('test.p_value') }} as suspected_bots_p_value,

        ---------- booleans
        coalesce(test.p_value < {{ lf_variable('srm_alpha') }}, false) as has_unequal_bots

    from count_units
    left join test
        on
            count_units.experiment_key = test.experiment_key
            and count_units.experiment_version = test.experiment_version
            and count_units.slot_key = test.slot_key

)

select * from data_quality
