{#- Whether the history of a stream is asked for, by the variable `history`. -#}
{% macro lf_keeps_history(stream) -%}
    {{ return(stream in lf_variable('history')) }}
{%- endmacro %}
