{#-
    A query of the chance to be the best of each arm of `source`, whose value is normal with the columns `center` and `deviation`
    (positive), apart from the others: columns `keys`, which name a group of arms, `arm_key` and `chance`.

    The trapezoid rule on 257 points within 8 standard deviations of the arm, the others' chances to be smaller multiplied there; no random
    numbers. Error below 1e-12.
-#}
{% macro lf_chance_best(source, keys) -%}
    with

    points as (

        {{ lf_numbers(257) }}

    ),

    place_points as (

        select
            arms.*,
            points.number / 16e0 - 8e0 as z,
            arms.center + arms.deviation * (points.number / 16e0 - 8e0) as x

        from {{ source }} as arms
        cross join points

    ),

    measure_others as (

        select
            {%- for key in keys %}
            place_points.{{ key }},
            {%- endfor %}
            place_points.arm_key,
            place_points.z,
            (place_points.x - others.center) / others.deviation as other_z

        from place_points
        left join {{ source }} as others
            on
                {%- for key in keys %}
                place_points.{{ key }} = others.{{ key }} and
                {%- endfor %}
                place_points.arm_key <> others.arm_key

    ),

    multiply as (

        select
            {{ keys | join(', ') }},
            arm_key,
            z,
            coalesce(sum(ln(greatest({{ lf_phi('other_z') }}, {{ lf_double('1e-300') }}))), 0e0) as log_below

        from measure_others
        group by {{ keys | join(', ') }}, arm_key, z

    ),

    integrate as (

        select
            {{ keys | join(', ') }},
            arm_key,
            sum({{ lf_normal_density('z') }} * exp(greatest({{ lf_double('log_below') }}, -600e0))) as mass

        from multiply
        group by {{ keys | join(', ') }}, arm_key

    )

    select
        {{ keys | join(', ') }},
        arm_key,
        mass / sum(mass) over (partition by {{ keys | join(', ') }}) as chance
    from integrate
{%- endmacro %}
