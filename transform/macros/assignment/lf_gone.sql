{#-
    A query: the rows of a staging model that Klaviyo no longer holds, as far as it was told: no deletion ever is.

    `rows` is the relation, `id` its key, `changed_at` an expression for its newest sign of life, `stream_name` the stream it comes from; `readings` is
    the relation int_resource_readings, `resource_ids` the relation stg_klaviyo__resource_ids. Returned: `stream_name` and `resource_id`.

    What a complete reading does not see any more is gone. What none has seen yet is gone if it is older than the newest one, by more than the clocks of
    Klaviyo and of the tap may differ. Where there was no complete reading, and where a row does not say how old it is, nothing is gone.
-#}
{% macro lf_find_gone(rows, id, changed_at, stream_name, readings, resource_ids) -%}
    select
        {{ readings }}.stream_name,
        {{ rows }}.{{ id }} as resource_id

    from {{ rows }}
    inner join {{ readings }} on {{ readings }}.stream_name = {{ lf_literal(stream_name) }}
    left join {{ resource_ids }}
        on
            {{ rows }}.{{ id }} = {{ resource_ids }}.resource_id
            and {{ resource_ids }}.stream_name = {{ lf_literal(stream_name) }}
    where
        {{ resource_ids }}.seen_at < {{ readings }}.snapshot_at
        or (
            {{ resource_ids }}.seen_at is null
            and {{ changed_at }} < {{ lf_dateadd('minute', -5, readings ~ '.snapshot_at') }}
        )
{%- endmacro %}


{#- A query: the rows of a staging model but for those that are gone; `resources_gone` is the relation int_resources_gone. -#}
{% macro lf_keep_held(rows, id, stream_name, resources_gone) -%}
    select {{ rows }}.*
    from {{ rows }}
    where not exists (
        select 1
        from {{ resources_gone }}
        where
            {{ resources_gone }}.stream_name = {{ lf_literal(stream_name) }}
            and {{ resources_gone }}.resource_id = {{ rows }}.{{ id }}
    )
{%- endmacro %}
