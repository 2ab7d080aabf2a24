{#- What a word that a profile shows is called: the profile, where it shows it, and since when. `row` is what holds it. -#}
{% macro lf_consent_ref(row) -%}
    'profile:' || {{ row }}.profile_id || ':' || {{ row }}.channel || coalesce(':' || {{ row }}.list_id, '') || coalesce(':' || {{ row }}.block, ':' || {{ row }}.method, '')
    || coalesce(':' || cast({{ row }}.stated_at as {{ lf_type('varchar') }}), '')
{%- endmacro %}
