{{ config(severity='warn') }}

{#- Sample ratio of the assignment itself: a hash splits as the weights say, so a misfit means that they were changed, or ids are not what they seem. -#}
with units as (
    select
        arms.experiment_key,
        arms.slot_key,
        arms.weight_bp,
        {{ lf_double('count(ledger.profile_id)') }} as observed
    from {{ ref('int_experiment_arms') }} as arms
    left join {{ ref('fct_assignments') }} as ledger
        on
            arms.experiment_key = ledger.experiment_key
            and arms.experiment_version = ledger.experiment_version
            and arms.slot_key = ledger.slot_key
            and arms.arm_key = ledger.arm_key
    where
        arms.status = 'live'
        and arms.weight_bp > 0
    group by arms.experiment_key, arms.slot_key, arms.arm_key, arms.weight_bp
),

tested as (
    {{ lf_multinomial_test('units', ['experiment_key', 'slot_key']) }}
)

select
    'Experiment ' || experiment_key || ': the arms of ' || slot_key || ' do not have the sizes that their weights say. '
    || 'Were the weights changed after the first assignment? Then raise the version.' as problem
from tested
where p_value < {{ lf_variable('srm_alpha') }}
