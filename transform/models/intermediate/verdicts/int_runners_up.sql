with

challengers as (

    select * from {{ ref('int_challengers_judged') }}

),

ends as (

    select * from {{ ref('int_experiment_ends') }}

),

candidates as (

    select * from challengers
    where
        not is_blocked
        and effect is not null

),

-- The best against each other that could be sent: the means as they are, since both adjustments are for the control.
pair as {{ lf_fence() }} (

    select
        best.experiment_key,
        best.experiment_version,
        best.slot_key,
        others.arm_key as runner_up_arm,
        ends.is_fixed,
        best.mean - others.mean as difference,
        {{ lf_double('best.units + others.units') }} as compared_units,
        {{ lf_standard_error(lf_decisive_square(
            '(best.variance / nullif(best.units, 0) + others.variance / nullif(others.units, 0))',
            lf_pooled_square('best.pooled_variance', lf_double('best.units'), lf_double('others.units'))
        )) }} as spread,
        count(*) over (partition by best.experiment_key, best.experiment_version, best.slot_key) as others

    from candidates as best
    inner join candidates as others
        on
            best.experiment_key = others.experiment_key
            and best.experiment_version = others.experiment_version
            and best.slot_key = others.slot_key
            and best.arm_key <> others.arm_key
    inner join ends
        on
            best.experiment_key = ends.experiment_key
            and best.experiment_version = ends.experiment_version
    where best.challenger_rank = 1

),

-- The best is one of several that were looked at: Bonferroni over the others.
test as (

    select
        *,
        least(1e0, others * case
            when is_fixed then 2e0 * ({{ lf_phi('(-abs(difference) / spread)') }})
            else {{ lf_always_valid_p('difference', 'spread', 'compared_units') }}
        end) as p_value

    from pair

),

rank_others as (

    select
        *,
        row_number() over (
            partition by experiment_key, experiment_version, slot_key
            order by coalesce(p_value, 1e0) desc, difference, runner_up_arm
        ) as place

    from test

),

runners_up as (

    select
        ---------- ids
        experiment_key,
        experiment_version,
        slot_key,
        runner_up_arm,

        ---------- numerics
        difference,
        p_value,

        ---------- booleans
        coalesce(difference > 0 and p_value < {{ lf_variable('alpha') }}, false) as is_told_apart

    from rank_others
    where place = 1

)

select * from runners_up
