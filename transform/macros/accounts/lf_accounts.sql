{#-
    The accounts of the variable `accounts`, each with its `id`, the `database` and `schema` of its marts (none: as here), the `path` of its DuckDB file, if that is another one
    than this, and its `place` in words.
-#}
{% macro lf_accounts() -%}
    {%- set accounts, places, files = [], {}, [] -%}
    {%- for id, given in lf_variable('accounts').items() -%}
        {%- if given.path and target.type != 'duckdb' -%}
            {{ return(lf_refuse_accounts('`' ~ id ~ '` has a `path`, and ' ~ target.type ~ ' reads no files: give it the `schema` of its marts')) }}
        {%- elif given.database and target.type == 'postgres' and given.database != target.dbname -%}
            {{ return(lf_refuse_accounts(
                '`' ~ id ~ '` is in the database ' ~ given.database ~ ', and ' ~ target.type ~ ' reads no other one than ' ~ target.dbname
                ~ ': bring its marts here as foreign tables (postgres_fdw), and give it the `schema` that holds them'
            )) }}
        {%- endif -%}
        {%- set place = [given.path or given.database, given.schema] | select | join(', schema ') -%}
        {%- if place in places -%}
            {{ return(lf_refuse_accounts('`' ~ id ~ '` and `' ~ places[place] ~ '` are at one place (' ~ place ~ '), and would be counted twice: correct one')) }}
        {%- endif -%}
        {%- do places.update({place: id}) -%}
        {%- do files.append(given.path) if given.path and given.path not in files -%}
        {%- do accounts.append({
            'id': id | string, 'path': given.path, 'schema': given.schema, 'place': place,
            'database': 'account' ~ (files.index(given.path) + 1) if given.path else given.database,
        }) -%}
    {%- endfor -%}
    {{ return(accounts) }}
{%- endmacro %}


{% macro lf_refuse_accounts(problem) -%}
    {%- do exceptions.raise_compiler_error('The variable `accounts`: ' ~ problem ~ ' (docs/several-accounts.md)') -%}
{%- endmacro %}


{#- Whether a node of the graph is of what is read of all accounts, and so of nothing that is loaded here. -#}
{% macro lf_is_of_accounts(unique_id) -%}
    {{ return(unique_id.split('.')[1] == 'klaviyo_loop' and unique_id.split('.')[2].startswith('accounts_')) }}
{%- endmacro %}


{#- Makes the DuckDB files of accounts readable, if the command builds what is read of them. Nothing is written to them, and nobody else can write there meanwhile. -#}
{% macro lf_attach_accounts() -%}
    {%- set asked = [] -%}
    {%- for unique_id in selected_resources if execute and flags.WHICH in ('build', 'run') and lf_is_of_accounts(unique_id) -%}
        {%- do asked.append(unique_id) -%}
    {%- endfor -%}
    {%- for account in (lf_accounts() if asked else []) if account.path -%}
        {#- Of what is special to patterns, any letter will do. -#}
        {%- set pattern = modules.re.sub('[*?\\[\\]{}]', '?', account.path) -%}
        {%- if not run_query('select file from glob(' ~ lf_literal(pattern) ~ ')').rows | length -%}
            {{ return(lf_refuse_accounts('there is no ' ~ account.path ~ ', where `' ~ account.id ~ '` is said to be: measure that account first, or correct its `path`')) }}
        {%- endif -%}
        {%- do run_query('attach if not exists ' ~ lf_literal(account.path) ~ ' as ' ~ account.database ~ ' (read_only)') -%}
    {%- endfor -%}
{%- endmacro %}
