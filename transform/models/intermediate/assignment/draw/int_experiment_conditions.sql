with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

live_experiments as (

    select * from experiments
    where status = 'live'

),

each_condition as (

    {{ lf_json_elements('live_experiments', 'experiment_key', 'audience_conditions', 'condition') }}

),

read_conditions as (

    select
        experiment_key,
        {{ lf_json_serialized('condition') }} as condition_text,
        experiment_key || ' ' || {{ lf_json_serialized('condition') }} as condition_key,
        {{ lf_json_text('condition', 'field') }} as field,
        {{ lf_json_text('condition', 'operator') }} as operator,
        {{ lf_json_member('condition', 'values') }} as condition_values

    from each_condition

),

each_operand as (

    {{ lf_json_texts('read_conditions', 'condition_key', 'condition_values', 'operand') }}

),

-- A condition is known by its text: one that is given twice says nothing more.
joined as (

    select distinct
        ---------- ids
        live_experiments.experiment_key,
        live_experiments.experiment_version,
        read_conditions.condition_text,

        ---------- texts
        read_conditions.field,
        read_conditions.operator,
        each_operand.operand

    from each_operand
    inner join read_conditions on each_operand.condition_key = read_conditions.condition_key
    inner join live_experiments on read_conditions.experiment_key = live_experiments.experiment_key

)

select * from joined
