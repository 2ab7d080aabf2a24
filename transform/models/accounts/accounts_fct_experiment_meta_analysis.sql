{{ lf_where_accounts_are_named('fct_experiment_meta_analysis') }}

{%- set slot = ['experiment_key', 'experiment_version', 'slot_key'] %}
{%- set measured = slot + ['arm_key', 'metric'] %}

with

results as (

    select * from {{ ref('accounts_fct_experiment_results') }}

),

-- Who counts, and for what, as where an experiment is decided.
assigned as (

    select * from results
    where analysis = 'assigned' and attribution = 'assigned_window'

),

arms_by_account as (

    select
        account_id,
        {{ slot | join(',\n        ') }},
        count(distinct arm_key) as arms,
        min(case when is_control then arm_key end) as control_arm

    from assigned
    group by account_id, {{ slot | join(', ') }}

),

arms_of_all as (

    select
        {{ slot | join(',\n        ') }},
        count(distinct arm_key) as arms

    from assigned
    group by {{ slot | join(', ') }}

),

-- What is the same experiment in every account that ran it: as many arms in each as in all of them together, and one control.
slots_alike as (

    select
        {%- for column in slot %}
        arms_of_all.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}

    from arms_of_all
    inner join arms_by_account
        on
            {%- for column in slot %}
            {{ 'and ' if not loop.first }}arms_of_all.{{ column }} = arms_by_account.{{ column }}
            {%- endfor %}
    group by
        {%- for column in slot %}
        arms_of_all.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    having
        count(*) > 1
        and min(arms_by_account.arms) = max(arms_of_all.arms)
        and min(arms_by_account.control_arm) = max(arms_by_account.control_arm)

),

-- An account weighs by what it can tell of a difference, and both of its arms weigh the same: its rate is held against its own control's alone.
effects as (

    select
        {%- for column in measured %}
        arms.{{ column }},
        {%- endfor %}
        arms.is_primary,
        arms.currency,
        arms.measured_at,
        arms.relative_lift,
        arms.control_mean,
        arms.decisive_standard_error as spread,
        {{ lf_double('arms.units') }} as n,
        {{ lf_double('controls.units') }} as control_n,
        case when arms.estimator = 'cuped' then arms.cuped_difference else arms.difference end as difference,
        {{ lf_double('arms.units') }} * controls.units / nullif(arms.units + controls.units, 0) as weight

    from assigned as arms
    inner join assigned as controls
        on
            arms.account_id = controls.account_id
            {%- for column in slot + ['metric'] %}
            and arms.{{ column }} = controls.{{ column }}
            {%- endfor %}
            and controls.is_control
    inner join slots_alike
        on
            {%- for column in slot %}
            {{ 'and ' if not loop.first }}arms.{{ column }} = slots_alike.{{ column }}
            {%- endfor %}
    where not arms.is_control

),

-- Money of several currencies has no sum.
sums as (

    select
        {{ measured | join(',\n        ') }},
        count(*) as accounts,
        max(case when is_primary then 1 else 0 end) = 1 as is_primary,
        sum(n) as units,
        sum(control_n) as control_units,
        sum(weight * difference) / nullif(sum(weight), 0) as difference,
        sum(weight * control_mean) / nullif(sum(weight), 0) as control_mean,
        sqrt(sum(weight * weight * coalesce(spread * spread, 0))) / nullif(sum(weight), 0) as spread,
        sum(n + control_n) as compared_units,
        min(relative_lift) as least_lift,
        max(relative_lift) as largest_lift,
        max(currency) as currency,
        min(measured_at) as measured_at

    from effects
    where weight > 0 and difference is not null
    group by {{ measured | join(', ') }}
    having count(*) > 1 and count(distinct currency) <= 1 and coalesce(max(currency), '') <> 'several'

),

infer as (

    select
        *,
        {{ lf_always_valid_half_width('spread', 'compared_units') }} as half_width,
        {{ lf_always_valid_p('difference', 'spread', 'compared_units') }} as p_value

    from sums

),

meta_analysis as (

    select
        ---------- ids
        {{ measured | join(',\n        ') }},

        ---------- booleans
        is_primary,

        ---------- numerics
        cast(accounts as {{ lf_type('bigint') }}) as accounts,
        cast(units as {{ lf_type('bigint') }}) as units,
        cast(control_units as {{ lf_type('bigint') }}) as control_units,
        control_mean,
        difference,
        nullif(spread, 0) as standard_error,
        difference - half_width as interval_low,
        difference + half_width as interval_high,
        p_value,
        difference / nullif(abs(control_mean), 0) as relative_lift,
        least_lift,
        largest_lift,

        ---------- texts
        currency,

        ---------- timestamps
        measured_at

    from infer

)

select * from meta_analysis
