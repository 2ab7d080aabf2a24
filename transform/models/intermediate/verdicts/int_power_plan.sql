with

challengers as (

    select * from {{ ref('int_challengers_judged') }}

),

totals as (

    select * from {{ ref('int_slot_totals') }}

),

levels as (

    select {{ lf_power_z() }} as power_z

),

plan as {{ lf_fence() }} (

    select
        challengers.experiment_key,
        challengers.experiment_version,
        challengers.slot_key,
        challengers.effect_error as se,
        challengers.effect_of_interest * abs(challengers.control_mean) as effect,
        abs(challengers.control_mean) as control_mean,
        {{ lf_double('totals.units') }} as n,
        levels.power_z,
        {{ lf_always_valid_half_width('challengers.effect_error', 'totals.units') }} as half_width

    from challengers
    inner join totals
        on
            challengers.experiment_key = totals.experiment_key
            and challengers.experiment_version = totals.experiment_version
            and challengers.slot_key = totals.slot_key
    cross join levels
    where
        challengers.challenger_rank = 1
        and challengers.effect_error > 0

),

needs as (

    {{ lf_units_needed('plan', 'effect', 'se', 'n', 'power_z') }}

),

relate as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,

        ---------- numerics
        (half_width + power_z * se) / nullif(control_mean, 0) as minimum_detectable_effect,
        needed as units_needed_ratio

    from needs

)

select * from relate
