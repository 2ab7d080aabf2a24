{#-
    A mart of all accounts that the variable `accounts` names, for `from`: its rows as each account holds them, with the account's name as `account_id`. Nothing is measured again.

    Columns and types are those that the mart's own yml declares (lf_share_contract). A mart or a column that an account does not hold is told, and is no row or null. The model
    is there where an account is named, and has the mart's name in its own schema.
-#}
{% macro lf_of_accounts(mart) -%}
    {{- lf_where_accounts_are_named(mart) -}}
    {%- set relation = ref(mart) -%}
    {%- if not execute -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set node = graph.get('nodes', {}).get('model.klaviyo_loop.' ~ mart) -%}
    {%- set parts, absent = [], [] -%}
    {%- for account in lf_accounts() -%}
        {%- set account_id = 'cast(' ~ lf_literal(account.id) ~ ' as ' ~ lf_type('varchar') ~ ') as account_id' -%}
        {%- if relation.is_cte -%} {#- in a unit test, which knows of no other table -#}
            {%- do parts.append('select ' ~ account_id ~ ', held.* from ' ~ relation ~ ' as held') -%}
        {%- else -%}
            {%- set theirs = api.Relation.create(
                database=account.database or node.database, schema=account.schema or node.schema, identifier=node.alias
            ) -%}
            {%- set held = lf_columns_held(theirs) -%}
            {%- if held -%}
                {%- set lacking = node.columns.values() | map(attribute='name') | reject('in', held) | list -%}
                {%- if lacking -%}
                    {%- do exceptions.warn(
                        mart ~ ' of the account ' ~ account.id ~ ' has no ' ~ lacking | join(', ') ~ ', which are null here: an older version built it; run `' ~ lf_job_of(node) ~ '` there'
                    ) -%}
                {%- endif -%}
                {%- do parts.append('select ' ~ account_id ~ lf_columns_declared(node, held) ~ ' from ' ~ theirs ~ ' as held') -%}
            {%- else -%}
                {%- do absent.append(account.id ~ ' (' ~ account.place ~ ')') -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if absent -%}
        {%- do exceptions.warn(
            mart ~ ' is not there for the account ' ~ absent | join(', nor for ') ~ ', of which nothing is compared: run `' ~ lf_job_of(node) ~ '` there, or correct the variable `accounts`'
        ) -%}
    {%- endif -%}
    {%- if not parts -%}
        {%- set account_id = 'cast(null as ' ~ lf_type('varchar') ~ ') as account_id' -%}
        {%- do parts.append('select ' ~ account_id ~ lf_columns_declared(node, {}) ~ ' from (select 1 as one) as one_row where one = 0') -%}
    {%- endif -%}
    {{ return('(' ~ parts | join(' union all ') ~ ') as accounts') }}
{%- endmacro %}


{#- The columns that a mart declares, each after a comma: of the declared types, null where `held` has none. -#}
{% macro lf_columns_declared(node, held) -%}
    {%- set columns = [] -%}
    {%- for column in node.columns.values() -%}
        {%- set value = 'held.' ~ column.name if column.name in held else 'null' -%}
        {%- do columns.append(', cast(' ~ value ~ ' as ' ~ lf_type(column.data_type) ~ ') as ' ~ column.name) -%}
    {%- endfor -%}
    {{ return(columns | join('')) }}
{%- endmacro %}


{#- Lets a model be there where the variable `accounts` names any, and be called so in its schema. -#}
{% macro lf_where_accounts_are_named(name) -%}
    {%- do config(enabled=lf_variable('accounts') | length > 0, alias=name) -%}
{%- endmacro %}


{#- The job that builds a mart. -#}
{% macro lf_job_of(node) -%}
    {{ return('engagement' if node.fqn[1] == 'engagement' else 'measure') }}
{%- endmacro %}


{#-
    For a `pre_hook` of a model of all accounts: where it declares `account_id` alone, its contract is that and the contract of the mart that it reads, which stands in that one's yml
    and nowhere else. dbt reads a contract from `model` while it builds a table.
-#}
{% macro lf_share_contract() -%}
    {%- if execute and model['columns'] | list == ['account_id'] -%}
        {%- do model['columns'].update(graph.nodes[model['depends_on']['nodes'] | first].columns) -%}
    {%- endif -%}
{%- endmacro %}
