{#-
    The first assignment whose profile's device is still to be written down, as text; none where there is no such profile. As a literal, which a
    warehouse applies before it reads a document; joined, it would read those of all events, in every run.
-#}
{% macro lf_devices_since(dimensions, assignments, recorded) -%}
    {%- if not execute or flags.WHICH not in ('build', 'run') -%}
        {{ return('1970-01-01 00:00:00') }}
    {%- endif -%}
    {%- set query -%}
        select {{ lf_text('min(assignments.assigned_at)') }} as assigned_at
        from {{ assignments }} as assignments
        inner join {{ dimensions }} as dimensions
            on
                assignments.experiment_key = dimensions.experiment_key
                and assignments.experiment_version = dimensions.experiment_version
                and dimensions.kind = 'device'
        left join {{ recorded }} as recorded
            on
                assignments.experiment_key = recorded.experiment_key
                and assignments.experiment_version = recorded.experiment_version
                and assignments.profile_id = recorded.profile_id
                and dimensions.dimension = recorded.dimension
        where
            assignments.slot_key <> '*'
            and recorded.profile_id is null
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0]) }}
{%- endmacro %}
