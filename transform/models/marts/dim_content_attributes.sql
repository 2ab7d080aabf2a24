{#- What an arm said is kept when its definition is gone: later campaigns learn from it. -#}
{{ config(**lf_outlives_definition()) }}

with

experiments as (

    select * from {{ ref('stg_experiments__experiments') }}

),

arms as (

    select * from {{ ref('stg_experiments__arms') }}

),

contents as (

    select
        experiments.experiment_key,
        experiments.experiment_version,
        arms.slot_key,
        arms.arm_key,
        coalesce(arms.html, arms.text, '') as content,
        coalesce(arms.subject || ' ', '') || coalesce({{ lf_without_tags('arms.html') }}, arms.text, '') as shown

    from arms
    inner join experiments on arms.experiment_key = experiments.experiment_key
    where coalesce(arms.html, arms.text, arms.subject) is not null

),

-- Words, signs and length are those that are read; what stands in links and styles is not.
count_marks as (

    select
        *,
        length(shown) as characters,
        (length(lower(content)) - length(replace(lower(content), '<img', ''))) / 4 as images,
        (length(lower(content)) - length(replace(lower(content), 'href=', ''))) / 5 as links,
        {{ lf_contains('shown', "'{' || '{'") }} as is_personal,
        {{ lf_contains('shown', "'%'") }} as has_percent,
        {{ lf_contains('shown', "'?'") }} as has_question

    from contents

),

attributes as (

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        'length' as attribute,
        case when characters < 300 then 'short' when characters < 1500 then 'medium' else 'long' end as value
    from count_marks

    {% for attribute, number in [('images', 'images'), ('links', 'links')] -%}
    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        '{{ attribute }}' as attribute,
        case when {{ number }} = 0 then 'none' when {{ number }} = 1 then 'one' else 'several' end as value
    from count_marks

    {% endfor -%}
    {% for attribute, condition in [
        ('personalised', 'is_personal'), ('percent_sign', 'has_percent'), ('question', 'has_question'),
    ] -%}
    union all

    select
        experiment_key,
        experiment_version,
        slot_key,
        arm_key,
        '{{ attribute }}' as attribute,
        case when {{ condition }} then 'yes' else 'no' end as value
    from count_marks

    {% endfor -%}
)

select * from attributes
