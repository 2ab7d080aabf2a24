{#-
    A variable of the project, of its kind: what reaches a statement as it is, is a number. Anything else ends the command, with the variable's name and what it takes.
    A number may be given as text, because YAML takes `1e-3` for one.
-#}
{% macro lf_variable(name) -%}
    {%- set value = var(name) -%}
    {%- set kind = {
        'as_of': 'a time', 'pool_variances': 'a switch', 'create_raw_tables': 'a switch',
        'order_events_trigger_flows': 'a switch', 'confirm_subscriptions': 'a switch', 'suppress_before_deletion': 'a switch', 'contacts_list_id': 'a text', 'srm_concentrations': 'numbers',
        'metric_role_overrides': 'texts by name', 'counting_integrations': 'texts by name', 'schemas': 'texts by name', 'history': 'streams',
        'klaviyo_source': 'a loader', 'accounts': 'accounts',
    }.get(name, 'a number') -%}
    {%- if kind == 'a time' -%}
        {%- if value is none or modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?', value | string) -%}
            {{ return(value) }}
        {%- endif -%}
        {{ return(lf_refuse_variable(name, 'a UTC time without an offset, such as "2026-11-02 08:00:00"')) }}
    {%- elif kind == 'a switch' -%}
        {%- if value is none and name in ('create_raw_tables', 'confirm_subscriptions') -%}
            {{ return(none) }}
        {%- endif -%}
        {{ return(value if value is boolean else lf_refuse_variable(name, 'true or false')) }}
    {%- elif kind == 'a text' -%}
        {{ return(value if value is none or value is string else lf_refuse_variable(name, 'a text')) }}
    {%- elif kind == 'a loader' -%}
        {{ return(value if value in lf_source_shapes() else lf_refuse_variable(name, lf_source_shapes() | join(' or '))) }}
    {%- elif kind == 'texts by name' -%}
        {{ return(value if value is mapping else lf_refuse_variable(name, 'a mapping of texts, such as {name: text}')) }}
    {%- elif kind == 'accounts' -%}
        {%- set places = [] -%}
        {%- for id, place in (value.items() if value is mapping else []) if id is boolean or id is none or not (id | string | trim) or place is not mapping or not place -%}
            {%- do places.append(id) -%}
        {%- endfor -%}
        {%- for place in (value.values() if value is mapping and not places else []) -%}
            {%- for name, text in place.items() if name not in ('path', 'database', 'schema') or text is not string or not (text | trim) -%}
                {%- do places.append(name) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if value is not none and value is not mapping or places -%}
            {{ return(lf_refuse_variable(name, 'where the marts of each account are, such as {brand-a: {path: /srv/brand-a/klaviyo.duckdb}} or {brand-a: {schema: brand_a_marts}}')) }}
        {%- endif -%}
        {{ return(value or {}) }}
    {%- elif kind == 'streams' -%}
        {%- set known = ['profiles', 'lists', 'segments', 'campaigns', 'flows'] -%}
        {%- if value is string or value is mapping or value is not iterable or value | reject('in', known) | list -%}
            {{ return(lf_refuse_variable(name, 'a list of ' ~ known | join(', '))) }}
        {%- endif -%}
        {{ return(value) }}
    {%- elif kind == 'numbers' -%}
        {%- set numbers = [] -%}
        {%- for one in (value if value is sequence and value is not string else [value]) -%}
            {%- do numbers.append(lf_number_of_variable(name, one)) -%}
        {%- endfor -%}
        {{ return(numbers) }}
    {%- elif value is none and name == 'min_days_to_decide' -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(lf_number_of_variable(name, value)) }}
{%- endmacro %}


{#- One number of a variable. -#}
{% macro lf_number_of_variable(name, value) -%}
    {%- if not modules.re.fullmatch('[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]{1,2})?', value | string) -%}
        {{ return(lf_refuse_variable(name, 'a number')) }}
    {%- endif -%}
    {{ return((value | float if modules.re.search('[.eE]', value) else value | int) if value is string else value) }}
{%- endmacro %}


{% macro lf_refuse_variable(name, accepted) -%}
    {%- do exceptions.raise_compiler_error('The variable `' ~ name ~ '` is ' ~ tojson(var(name), var(name) | string) ~ '; give it ' ~ accepted ~ ' (README.md, Variables)') -%}
{%- endmacro %}
