{#-
    For a `post_hook` of the ledger: ends the run, and takes back what it appended, where Klaviyo holds other arms of the newcomers than they were
    given and the ledger knows nothing of those: then it is the ledger that was lost, or is an older copy.

    A few may be profiles that Klaviyo merged, so up to one in a hundred newcomers of a slot may differ. Looked at after the rows were drawn and before they are
    committed, since to draw them for a look beforehand takes as long again. Of more than a million rows a part is looked at, by how the profile's id ends.
-#}
{% macro lf_refuse_other_arms(ledger, profiles, arms) -%}
    {%- if execute -%}
        {%- set appended = run_query('select count(*) from ' ~ ledger ~ ' where assigned_at = ' ~ lf_now()).columns[0].values()[0] -%}
        {%- set problems = run_query(lf_arms_held_otherwise(ledger, profiles, arms, appended > 1000000)) -%}
        {%- if problems.rows | length > 0 -%}
            {#- Where an error does not undo the insert, as on plain files, this does. -#}
            {%- set undo = lf_delete_rows(ledger, 'assigned_at = ' ~ lf_now()) -%}
            {%- if undo -%}
                {%- do run_query(undo) -%}
            {%- endif -%}
            {%- do exceptions.raise_compiler_error(problems.columns[0].values() | join(' ')) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}


{#- A query: a sentence for each slot of which Klaviyo holds other arms. -#}
{% macro lf_arms_held_otherwise(ledger, profiles, arms, in_part) -%}
    with

    newcomers as (

        select
            experiment_key,
            slot_key,
            arm_key,
            profile_id
        from {{ ledger }}
        where
            assigned_at = {{ lf_now() }}
            and slot_key <> '*'
            {%- if in_part %}
            -- The last sign is by chance, and of 32 or 62.
            and (profile_id like '%0' or profile_id like '%A' or profile_id like '%a' or profile_id like '%k')
            {%- endif %}

    ),

    -- Of most newcomers Klaviyo holds nothing of ours, which the text says without being read.
    holders as (

        select
            profiles.profile_id,
            profiles.properties
        from {{ profiles }} as profiles
        where
            {{ lf_contains(lf_json_serialized('profiles.properties'), "'lf_'") }}
            and exists (
                select 1
                from newcomers
                where newcomers.profile_id = profiles.profile_id
            )

    ),

    arms as (

        select
            experiment_key,
            slot_key,
            arm_key
        from {{ arms }}

    ),

    our_properties as (

        select 'lf_assignments' as property

        union all

        select distinct 'lf_' || experiment_key || '_' || slot_key as property
        from arms

    ),

    find_ours as (

        {{ lf_json_entries('holders', 'profile_id', 'properties', 'our_properties', 'property') }}

    ),

    held as (

        select
            profile_id,
            property,
            replace({{ lf_json_serialized('value') }}, ' ', '') as value
        from find_ours

    ),

    held_arms as (

        select
            held.profile_id,
            arms.experiment_key,
            arms.slot_key,
            arms.arm_key
        from held
        inner join arms
            on {{ lf_holds_arm('held', 'arms') }}

    ),

    count_otherwise as (

        select
            newcomers.experiment_key,
            newcomers.slot_key,
            count(distinct newcomers.profile_id) as profiles
        from newcomers
        inner join held_arms
            on
                newcomers.profile_id = held_arms.profile_id
                and newcomers.experiment_key = held_arms.experiment_key
                and newcomers.slot_key = held_arms.slot_key
                and newcomers.arm_key <> held_arms.arm_key
        -- It may be of an earlier version.
        where not exists (
            select 1
            from {{ ledger }} as known
            where
                known.experiment_key = held_arms.experiment_key
                and known.slot_key = held_arms.slot_key
                and known.profile_id = held_arms.profile_id
                and known.arm_key = held_arms.arm_key
        )
        group by newcomers.experiment_key, newcomers.slot_key

    ),

    count_newcomers as (

        select
            experiment_key,
            slot_key,
            count(*) as profiles
        from newcomers
        group by experiment_key, slot_key

    )

    select
        'Experiment ' || count_otherwise.experiment_key || ': Klaviyo holds another arm of ' || count_otherwise.slot_key || ' of '
        || {{ lf_text('count_otherwise.profiles') }} || ' profiles that the ledger does not know. Nobody was assigned. Put back the warehouse '
        || 'from its newest copy; without one, give the experiment another key, under which all are assigned anew.' as problem
    from count_otherwise
    inner join count_newcomers
        on
            count_otherwise.experiment_key = count_newcomers.experiment_key
            and count_otherwise.slot_key = count_newcomers.slot_key
    where count_otherwise.profiles * 100 > count_newcomers.profiles
{%- endmacro %}
