with

conditions as (

    select * from {{ ref('int_experiment_conditions') }}

),

profiles as (

    select * from {{ ref('stg_klaviyo__profiles') }}

),

flow_requests as (

    select * from {{ ref('stg_inbox__flow_requests') }}

),

-- The newest request is what the flow knows now.
rank_requests as (

    select
        *,
        row_number() over (partition by experiment_key, profile_id order by received_at desc, request_id desc) as recency
    from flow_requests

),

newest_requests as (

    select
        experiment_key,
        profile_id,
        attrs
    from rank_requests
    where recency = 1

),

-- As what its operator compares; once per condition, not once per profile. Of millions, texts that repeat are what would cost: a number stands for the condition.
read_operands as {{ lf_materialized() }} (

    select
        *,
        dense_rank() over (order by experiment_key, condition_text) as condition_number,
        {{ lf_condition_number('operand') }} as operand_number,
        {{ lf_condition_day('operand') }} as operand_day

    from conditions

),

number_conditions as (

    select distinct
        condition_number,
        experiment_key,
        operator
    from read_operands

),

count_conditions as (

    select
        experiment_key,
        count(*) as conditions
    from number_conditions
    group by experiment_key

),

-- Field and operand are data from beginning to end: no text of a definition becomes SQL.
read_fields as (

    select
        read_operands.condition_number,
        read_operands.operator,
        read_operands.operand,
        read_operands.operand_number,
        read_operands.operand_day,
        profiles.profile_id,
        case
            {% for field in [
                'email', 'phone_number', 'external_id', 'first_name', 'last_name', 'title', 'organization', 'locale',
            ] -%}
            when read_operands.field = '{{ field }}' then profiles.{{ field }}
            {% endfor -%}
            {% for field, column in {
                'created': 'created_at', 'updated': 'updated_at', 'last_event_date': 'last_event_at',
            }.items() -%}
            when read_operands.field = '{{ field }}' then {{ lf_text('profiles.' ~ column) }}
            {% endfor -%}
            when read_operands.field like 'location.%'
                then {{ lf_json_text_at('profiles.location', "substr(read_operands.field, 10)") }}
            when read_operands.field like 'properties.%'
                then {{ lf_json_text_at('profiles.properties', "substr(read_operands.field, 12)") }}
            when read_operands.field like 'attrs.%'
                then {{ lf_json_text_at('newest_requests.attrs', "substr(read_operands.field, 7)") }}
        end as field_value

    from read_operands
    cross join profiles
    left join newest_requests
        on
            read_operands.experiment_key = newest_requests.experiment_key
            and profiles.profile_id = newest_requests.profile_id

),

read_values as (

    select
        *,
        {{ lf_condition_number('field_value') }} as field_number,
        {{ lf_condition_day('field_value') }} as field_day

    from read_fields

),

order_numbers as (

    select
        *,
        {{ lf_number_order('field_number', 'operand_number', 'field_value', 'operand') }} as number_order

    from read_values

),

-- Times are compared by their day in UTC; a value that is not of the operator's type fulfils nothing. A number is the same however it is written.
-- Kept aside, since DuckDB would write the texts of all that is above into each other, and plan that for a second.
compare as {{ lf_materialized() }} (

    select
        condition_number,
        profile_id,
        case operator
            when 'at_least' then number_order >= 0
            when 'at_most' then number_order <= 0
            when 'more_than' then number_order > 0
            when 'less_than' then number_order < 0
            when 'since' then field_day >= operand_day
            when 'before' then field_day < operand_day
            when 'exists' then (field_value is not null) = (operand = 'true')
            when 'in' then coalesce(number_order = 0, field_value = operand)
            when 'not_in' then coalesce(number_order = 0, field_value = operand)
        end as is_match

    from order_numbers

),

decide as (

    select
        condition_number,
        profile_id,
        max(case when is_match then 1 else 0 end) as matches

    from compare
    group by condition_number, profile_id

),

keep_fulfilled as (

    select
        number_conditions.experiment_key,
        decide.profile_id,
        count(*) as fulfilled

    from decide
    inner join number_conditions on decide.condition_number = number_conditions.condition_number
    where decide.matches = case when number_conditions.operator = 'not_in' then 0 else 1 end
    group by number_conditions.experiment_key, decide.profile_id

),

keep_all_fulfilled as (

    select
        ---------- ids
        keep_fulfilled.experiment_key,
        keep_fulfilled.profile_id

    from keep_fulfilled
    inner join count_conditions on keep_fulfilled.experiment_key = count_conditions.experiment_key
    where keep_fulfilled.fulfilled = count_conditions.conditions

)

select * from keep_all_fulfilled
