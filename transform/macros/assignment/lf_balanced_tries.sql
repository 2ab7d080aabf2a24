{#-
    A query of the salt that the first run of a version takes, for each `salt_key` whose experiments are to be balanced: of the salts that may be tried, the
    one whose arms differ least in what their profiles did before.

    `drawn` names the step with the draws of all newcomers. It is a step of the query that reads this one, and no model: DuckDB evaluates a view anew wherever it is
    read, and the draws are most of the work (DECISIONS.md). The other arguments name the steps of their models.
-#}
{% macro lf_balanced_tries(drawn, experiments, salt_tries, slot_sets, arms, events, roles, outcome_metrics) -%}
    with

    covariate_roles as (

        {{ lf_covariate_roles(outcome_metrics) }}

    ),

    -- Only a version without any assignment; otherwise nothing goes through the steps below.
    to_balance as (

        select
            salt_tries.salt_key,
            experiments.*

        from {{ salt_tries }} as salt_tries
        inner join {{ experiments }} as experiments on salt_tries.experiment_key = experiments.experiment_key
        where
            salt_tries.salt_try is null
            and experiments.status = 'live'

    ),

    tries as (

        {{ lf_numbers(200) }}

    ),

    tried_salts as (

        select
            to_balance.experiment_key,
            to_balance.salt_key,
            slot_sets.slot_set,
            slot_sets.slot_key,
            tries.number as salt_try,
            {{ lf_split_salt('to_balance', 'slot_sets.slot_key', 'tries.number') }} as salt

        from to_balance
        inner join {{ slot_sets }} as slot_sets on to_balance.experiment_key = slot_sets.experiment_key
        inner join tries on to_balance.balance_tries > tries.number

    ),

    tried_splits as (

        select
            tried_salts.experiment_key,
            tried_salts.salt_key,
            tried_salts.slot_key,
            tried_salts.salt_try,
            drawn.profile_id,
            {{ lf_bucket('tried_salts.salt', 'drawn.profile_id') }} as split_bucket

        from {{ drawn }} as drawn
        inner join tried_salts on drawn.slot_set = tried_salts.slot_set
        where drawn.outcome = 'admitted'

    ),

    -- What each profile did before.
    past_events as (

        select
            to_balance.experiment_key,
            events.profile_id
            {%- for covariate in lf_covariates() %},
            {{ lf_double('coalesce(' ~ lf_covariate_sum(covariate, 'covariate_roles', 'roles.role', 'events.value') ~ ', 0)') }} as {{ covariate }}
            {%- endfor %}

        from {{ events }} as events
        inner join {{ roles }} as roles on events.metric_id = roles.metric_id
        inner join to_balance
            on
                events.occurred_at < {{ lf_now() }}
                and events.occurred_at >= {{ lf_dateadd('day', '-to_balance.balance_days', lf_now()) }}
        cross join covariate_roles
        where roles.role in ({% for covariate in lf_covariates() %}covariate_roles.{{ covariate }}_role{{ ', ' if not loop.last }}{% endfor %})
        group by to_balance.experiment_key, events.profile_id

    ),

    tried_sums as (

        select
            tried_splits.salt_key,
            tried_splits.salt_try,
            tried_splits.slot_key,
            arms.arm_key,
            count(*) as units
            {%- for name in lf_covariates() %},
            coalesce(sum(past_events.{{ name }}), 0) as {{ name }},
            coalesce(sum(past_events.{{ name }} * past_events.{{ name }}), 0) as {{ name }}_squares
            {%- endfor %}

        from tried_splits
        inner join {{ arms }} as arms
            on
                tried_splits.experiment_key = arms.experiment_key
                and tried_splits.slot_key = arms.slot_key
                and tried_splits.split_bucket >= arms.bucket_start
                and tried_splits.split_bucket < arms.bucket_end
        left join past_events
            on
                tried_splits.experiment_key = past_events.experiment_key
                and tried_splits.profile_id = past_events.profile_id
        group by tried_splits.salt_key, tried_splits.salt_try, tried_splits.slot_key, arms.arm_key

    ),

    tried_covariates as (

        {% for name in lf_covariates() -%}
        select
            salt_key,
            salt_try,
            slot_key,
            units,
            {{ name }} as total,
            {{ name }}_squares as total_of_squares,
            '{{ name }}' as covariate
        from tried_sums
        {% if not loop.last -%}
        union all
        {% endif -%}
        {% endfor %}

    ),

    -- The largest difference between two arms' means, in standard deviations. No spread, no difference.
    tried_differences as (

        select
            salt_key,
            salt_try,
            (max(total / units) - min(total / units)) / sqrt(nullif(
                greatest(sum(total_of_squares) / sum(units) - (sum(total) / sum(units)) * (sum(total) / sum(units)), 0), 0
            )) as difference

        from tried_covariates
        group by salt_key, salt_try, slot_key, covariate

    ),

    rank_tries as (

        select
            salt_key,
            salt_try,
            row_number() over (
                partition by salt_key
                order by {{ lf_decimal('coalesce(max(difference), 0)', 9) }}, salt_try
            ) as place

        from tried_differences
        group by salt_key, salt_try

    )

    select
        salt_key,
        salt_try
    from rank_tries
    where place = 1
{%- endmacro %}
