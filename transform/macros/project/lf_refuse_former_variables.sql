{#- A variable that the project no longer reads would be left out without a word: says what has taken its place. -#}
{% macro lf_refuse_former_variables() -%}
    {%- set instead = {
        'further_goals': 'give each goal a row in seeds/outcome_metrics.csv',
        'unsubscribe_margin': 'set `margin` of unsubscribed in seeds/outcome_metrics.csv, in percentage points',
        'complaint_margin': 'set `margin` of complained in seeds/outcome_metrics.csv, in percentage points',
        'bounce_margin': 'set `margin` of bounced in seeds/outcome_metrics.csv, in percentage points',
        'chance_to_win_threshold': 'nothing takes its place: `decision: fixed` in a definition asks for one test, with p < `alpha`, at the planned stop',
        'expected_loss_tolerance': 'nothing takes its place: `decision: fixed` in a definition asks for one test, with p < `alpha`, at the planned stop',
    } -%}
    {%- for name, remedy in instead.items() if var(name, none) -%}
        {%- do exceptions.raise_compiler_error('The variable `' ~ name ~ '` is no longer read: ' ~ remedy ~ ' (see DECISIONS.md)') -%}
    {%- endfor -%}
{%- endmacro %}
