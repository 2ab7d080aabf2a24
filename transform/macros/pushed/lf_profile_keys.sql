{#-
    The profile of each identifier, of the import `profile_identifiers`: of whom Klaviyo has merged one is left, of those that it has deleted none. With `keys`, a query of one column,
    of those identifiers alone: no warehouse finds out by itself that all others need not be grouped, which of millions takes seconds for an answer of a few rows.
-#}
{% macro lf_profile_keys(keys=none) -%}
select
        contact_key,
        min(case when is_gone then null else profile_id end) as profile_id
    from profile_identifiers
    {%- if keys %}
    where contact_key in ({{ keys }})
    {%- endif %}
    group by contact_key
{%- endmacro %}
