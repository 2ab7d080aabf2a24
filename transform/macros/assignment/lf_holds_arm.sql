{#-
    Whether a property that a profile holds has an arm, in any `property_format`. Whether a text is in another one is seen by taking it out.

    Args:
        held: A relation with `property` and, as text without blanks, `value`.
        arms: A relation with `experiment_key`, `slot_key` and `arm_key`.
-#}
{% macro lf_holds_arm(held, arms) -%}
    (
        (
            {{ held }}.property = 'lf_assignments'
            and (
                replace({{ held }}.value, '"' || {{ arms }}.experiment_key || ':' || {{ arms }}.slot_key || ':' || {{ arms }}.arm_key || '"', '')
                <> {{ held }}.value
                or replace({{ held }}.value, '"' || {{ arms }}.experiment_key || '.' || {{ arms }}.slot_key || '":"' || {{ arms }}.arm_key || '"', '')
                <> {{ held }}.value
            )
        )
        or (
            {{ held }}.property = 'lf_' || {{ arms }}.experiment_key || '_' || {{ arms }}.slot_key
            and {{ held }}.value = '"' || {{ arms }}.arm_key || '"'
        )
    )
{%- endmacro %}
