{#- Pieces of the sentences that a marketer reads: no term of statistics, and true whatever the figures are. -#}

{#- What a metric counts. -#}
{% macro lf_metric_words(metric) -%}
    case {{ metric }}
        when 'opened' then 'opens' when 'clicked' then 'clicks' when 'ordered' then 'orders' else replace({{ metric }}, '_', ' ')
    end
{%- endmacro %}


{#- A share without its sign; nothing that is there is called 0.0 %. -#}
{% macro lf_share_words(share) -%}
    case when abs({{ share }}) < 5e-4 then 'less than 0.1' else {{ lf_figure("100e0 * abs(" ~ share ~ ")", 1) }} end || ' %'
{%- endmacro %}


{#- A chance; nothing is certain. -#}
{% macro lf_chance_words(chance) -%}
    case
        when {{ chance }} > 999e-3 then 'more than 99.9'
        when {{ chance }} < 1e-3 then 'less than 0.1'
        else {{ lf_figure("100e0 * " ~ chance, 1) }}
    end || ' %'
{%- endmacro %}


{#- How an arm stands beside the control: the columns effect, relative_lift (null where the control has nothing), control_arm_key and primary_metric. -#}
{% macro lf_standing_words() -%}
    case
        when effect = 0 then 'is level with ' || control_arm_key
        else 'is ' || coalesce({{ lf_share_words('relative_lift') }} || ' ', '')
            || case when effect > 0 then 'ahead of ' when effect < 0 then 'behind ' end || control_arm_key
    end || ' in ' || {{ lf_metric_words('primary_metric') }}
{%- endmacro %}


{#- What a verdict still lacks, of the columns least_received, converted, started_at and primary_metric; a comma follows each. -#}
{% macro lf_lacking_words() -%}
    case
        when converted < {{ var('min_conversions') }}
            then {{ lf_text('converted') }} || ' of at least {{ var("min_conversions") }} people who '
                || case when primary_metric in ('opened', 'clicked') then primary_metric else 'ordered' end || ', '
        else ''
    end
    || case
        when coalesce(least_received, 0) < {{ var('min_received_per_arm') }}
            then {{ lf_text('coalesce(least_received, 0)') }} || ' of at least {{ var("min_received_per_arm") }} recipients in the smallest group, '
        else ''
    end
    || case
        when started_at <= {{ lf_dateadd('hour', -1 * var('min_hours'), lf_now()) }} then ''
        else 'less than {{ var("min_hours") }} hours since the first message, '
    end
{%- endmacro %}
