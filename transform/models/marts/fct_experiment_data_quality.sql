{{ config(**lf_outlives_definition()) }}

with

arms as (

    select * from {{ ref('int_experiment_arms') }}

),

cells as (

    select * from {{ ref('int_cells') }}

),

units as (

    select * from {{ ref('int_units') }}

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

count_clickers as (

    select
        units.experiment_key,
        units.experiment_version,
        units.cell,
        sum(clickers.is_person) as clicked,
        sum(clickers.is_flagged) as flagged_bots,
        sum(clickers.is_suspected) as suspected_bots,
        sum(clickers.suspected_clicks) as suspected_clicks

    from units
    inner join clickers
        on
            units.experiment_key = clickers.experiment_key
            and units.experiment_version = clickers.experiment_version
            and units.profile_id = clickers.profile_id
    where units.has_received
    group by units.experiment_key, units.experiment_version, units.cell

),

count_units as (

    select
        arms.experiment_key,
        arms.experiment_version,
        arms.slot_key,
        arms.arm_key,
        min(arms.weight_bp) as weight_bp,
        coalesce(sum(cells.units), 0) as units,
        coalesce(sum(cells.received), 0) as received,
        sum(case when cells.is_late then cells.received else 0 end) as received_before_assigned,
        {%- for count in ['clicked', 'flagged_bots', 'suspected_bots', 'suspected_clicks'] %}
        sum(coalesce(count_clickers.{{ count }}, 0)) as {{ count }}{{ ',' if not loop.last }}
        {%- endfor %}

    from arms
    left join cells
        on
            arms.experiment_key = cells.experiment_key
            and arms.experiment_version = cells.experiment_version
            and arms.slot_key = cells.slot_key
            and arms.arm_key = cells.arm_key
    left join count_clickers
        on
            cells.experiment_key = count_clickers.experiment_key
            and cells.experiment_version = count_clickers.experiment_version
            and cells.cell = count_clickers.cell
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
