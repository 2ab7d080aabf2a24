with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

each_condition as (

    select
        experiment_key,
        experiment_version,
        {{ lf_json_each_element('audience_conditions') }} as condition

    from experiments
    where status = 'live'

),

read_conditions as (

    select
        experiment_key,
        experiment_version,
        cast(condition as {{ dbt.type_string() }}) as condition_text,
        {{ lf_json_text('condition', 'field') }} as field,
        {{ lf_json_text('condition', 'operator') }} as operator,
        {{ lf_json_value('condition', "'values'") }} as condition_values

    from each_condition

),

-- A condition is known by its text: one that is given twice says nothing more.
each_value as (

    select distinct
        ---------- ids
        experiment_key,
        experiment_version,
        condition_text,

        ---------- texts
        field,
        operator,
        {{ lf_json_each_text('condition_values') }} as operand

    from read_conditions

)

select * from each_value
