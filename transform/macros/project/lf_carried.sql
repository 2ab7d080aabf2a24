{#-
    What a model's query tells its hooks or its materialization, in a comment: what was looked up while it was rendered is not looked up again, and is the same for both.
-#}
{% macro lf_carry(name, value) -%}
    {{ return('/* ' ~ name ~ ' ' ~ tojson(value, sort_keys=true) ~ ' */') }}
{%- endmacro %}


{#- The value that a query carries by that name; none where it carries none, as before it is rendered. Without `*` in it. -#}
{% macro lf_carried(name, sql) -%}
    {%- set said = modules.re.search('/[*] ' ~ name ~ ' ([^*]+) [*]/', sql or '') -%}
    {{ return(fromjson(said.group(1)) if said else none) }}
{%- endmacro %}
