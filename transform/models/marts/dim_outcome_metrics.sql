with

outcome_metrics as (

    select * from {{ ref('outcome_metrics') }}

),

outcomes as (

    select
        ---------- ids
        metric,

        ---------- numerics
        cast(position as {{ lf_type('integer') }}) as position,

        ---------- texts
        kind,
        direction,
        title,
        noun,
        verb,
        case when unit = 'currency' then unit else '' end as unit,
        role,
        aggregation,
        time_window,

        ---------- booleans
        counts_machines

    from outcome_metrics

)

select * from outcomes
