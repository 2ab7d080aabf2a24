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

count_conditions as (

    select
        experiment_key,
        count(distinct condition_text) as conditions
    from conditions
    group by experiment_key

),

-- Field and operand are data from beginning to end: no text of a definition becomes SQL.
read_fields as (

    select
        conditions.experiment_key,
        conditions.condition_text,
        conditions.operator,
        conditions.operand,
        profiles.profile_id,
        case
            {% for field in [
                'email', 'phone_number', 'external_id', 'first_name', 'last_name', 'title', 'organization', 'locale',
            ] -%}
            when conditions.field = '{{ field }}' then profiles.{{ field }}
            {% endfor -%}
            {% for field, column in {
                'created': 'created_at', 'updated': 'updated_at', 'last_event_date': 'last_event_at',
            }.items() -%}
            when conditions.field = '{{ field }}' then {{ lf_text('profiles.' ~ column) }}
            {% endfor -%}
            when conditions.field like 'location.%'
                then {{ lf_json_text_at('profiles.location', "substr(conditions.field, 10)") }}
            when conditions.field like 'properties.%'
                then {{ lf_json_text_at('profiles.properties', "substr(conditions.field, 12)") }}
            when conditions.field like 'attrs.%'
                then {{ lf_json_text_at('newest_requests.attrs', "substr(conditions.field, 7)") }}
        end as field_value

    from conditions
    cross join profiles
    left join newest_requests
        on
            conditions.experiment_key = newest_requests.experiment_key
            and profiles.profile_id = newest_requests.profile_id

),

-- Each text is read once, as what its operator compares.
read_values as (

    select
        *,
        {% for text in ['field', 'operand'] -%}
        {%- set column = 'field_value' if text == 'field' else 'operand' -%}
        case
            when operator in ('at_least', 'at_most', 'more_than', 'less_than') then {{ lf_number(column) }}
            when operator in ('in', 'not_in') then {{ lf_json_number(column) }}
        end as {{ text }}_number,
        case when operator in ('since', 'before') then {{ lf_date(column) }} end as {{ text }}_day{{ ',' if not loop.last }}
        {% endfor %}
    from read_fields

),

-- Times are compared by their day in UTC; a value that is not of the operator's type fulfils nothing. A number is the same however it is written, which each
-- engine does its own way.
compare as (

    select
        *,
        case operator
            {% for name, sign in {'at_least': '>=', 'at_most': '<=', 'more_than': '>', 'less_than': '<'}.items() -%}
            when '{{ name }}' then {{ lf_compare_numbers('field_number', sign, 'operand_number', 'field_value', 'operand') }}
            {% endfor -%}
            when 'since' then field_day >= operand_day
            when 'before' then field_day < operand_day
            when 'exists' then (field_value is not null) = (operand = 'true')
            {% for name in ['in', 'not_in'] -%}
            when '{{ name }}' then coalesce(
                {{ lf_compare_numbers('field_number', '=', 'operand_number', 'field_value', 'operand') }}, field_value = operand
            )
            {% endfor -%}
        end as is_match

    from read_values

),

decide as (

    select
        experiment_key,
        condition_text,
        profile_id,
        max(operator) as operator,
        max(case when is_match then 1 else 0 end) as matches

    from compare
    group by experiment_key, condition_text, profile_id

),

keep_fulfilled as (

    select
        experiment_key,
        profile_id,
        count(*) as fulfilled

    from decide
    where matches = case when operator = 'not_in' then 0 else 1 end
    group by experiment_key, profile_id

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
