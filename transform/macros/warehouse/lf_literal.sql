{#- Any text as a literal: the one way in which a variable or a Jinja string becomes part of a statement. -#}
{% macro lf_literal(text) -%}
    {{ return(adapter.dispatch('lf_literal', 'klaviyo_loop')(text | string)) }}
{%- endmacro %}

{% macro default__lf_literal(text) -%}
    {{ return("'" ~ text | replace("'", "''") ~ "'") }}
{%- endmacro %}

{% macro spark__lf_literal(text) -%}
    {{ return(lf_literal_with_escapes(text)) }}
{%- endmacro %}

{% macro snowflake__lf_literal(text) -%}
    {{ return(lf_literal_with_escapes(text)) }}
{%- endmacro %}

{% macro bigquery__lf_literal(text) -%}
    {{ return(lf_literal_with_escapes(text)) }}
{%- endmacro %}

{% macro redshift__lf_literal(text) -%}
    {{ return(lf_literal_with_escapes(text)) }}
{%- endmacro %}


{% macro lf_literal_with_escapes(text) -%}
    {{ return("'" ~ lf_escaped(text) ~ "'") }}
{%- endmacro %}


{#- What stands between the quotes of a literal where a backslash begins an escape. A line break must be one on BigQuery. -#}
{% macro lf_escaped(text) -%}
    {{ return(text | replace('\\', '\\\\') | replace("'", "\\'") | replace('\n', '\\n') | replace('\r', '\\r')) }}
{%- endmacro %}
