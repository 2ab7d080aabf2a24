"""The project's own rules, over the manifest that dbt makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dbt.artifacts.resources.v1.components import InjectedCTE
from dbt.compilation import inject_ctes_into_sql
from dbt.contracts.graph.nodes import GenericTestNode, ModelNode
from transform_project import PROJECT, Project
from transform_quick_dbt import with_ctes

ON_ENGINES = ["duckdb"]
"""The manifest says the same on every engine."""

LAYERS = ("staging", "intermediate", "marts", "engagement", "publish", "deletions", "fivetran", "accounts")
SCHEMAS = {"engagement": "marts", "fivetran": "klaviyo_views"}
"""Of layers whose schema is called otherwise; `klaviyo` is the name of the file here."""
PREFIXES = {
    "staging": ("stg_klaviyo__", "stg_experiments__", "stg_forwarding__", "stg_inbox__"),
    "intermediate": ("int_",),
    "marts": ("fct_", "dim_"),
    "publish": ("pub_klaviyo_", "pub_growthbook_"),
    "deletions": ("pub_klaviyo_",),
    "engagement": ("fct_",),
    "fivetran": ("fivetran_",),
    "accounts": ("accounts_",),
}
LEDGERS = {"fct_allocations", "fct_assignment_rules", "fct_assignments", "fct_consent_log"}
"""The marts that intermediate models read: assignments are a record, not derived again by every run."""
JUDGED = {"fct_experiment_guardrails", "fct_experiment_results", "fct_experiment_srm"}
"""The marts that a verdict judges: of the intermediate models, those in `verdicts` read them."""
ON_THE_WAY = {
    "int_newcomers",
    "int_profiles_drawn",
    "int_profiles_bucketed",
    "int_consent_held",
    "int_consent_statements",
    "int_consent_decided",
    "fct_exposures",
    "fct_forwarding_dead_letters",
    "fct_forwarding_summary",
    "fivetran_event",
    "fivetran_event_attributed",
    "fivetran_person",
}
"""Views over millions of rows: their key is that of the mart above or below them, and is tested there."""

POSTGRES_NAME = 63
"""Characters of the longest name of a relation, as dbt makes one of a unit test."""


@pytest.fixture(scope="module")
def models(project: Project) -> dict[str, ModelNode]:
    return {node.name: node for node in project.manifest.nodes.values() if isinstance(node, ModelNode)}


def layer(model: ModelNode) -> str:
    return model.fqn[1]


def parents(model: ModelNode) -> Iterator[tuple[str, str]]:
    """Kind (`model`, `seed`, `source`) and name of what a model reads."""
    for unique_id in model.depends_on.nodes:
        yield unique_id.split(".")[0], unique_id.split(".")[-1]


def test_layers_build_on_each_other(models: dict[str, ModelNode]) -> None:
    for name, model in models.items():
        for kind, parent in parents(model):
            if kind == "source":
                assert layer(model) == "staging", f"{name} reads the source {parent}"
            elif model.fqn[1:-1] == ["intermediate", "verdicts"] and parent in JUDGED:
                continue
            elif kind == "model" and parent not in LEDGERS:
                below = LAYERS.index(layer(models[parent]))
                assert below <= LAYERS.index(layer(model)), f"{name} reads {parent}"
                assert layer(model) != "staging", f"{name} reads {parent}"


def test_names_tell_the_layer(models: dict[str, ModelNode]) -> None:
    for name, model in models.items():
        assert name.startswith(PREFIXES[layer(model)])
        assert model.schema == SCHEMAS.get(layer(model), layer(model))


def test_every_source_table_is_staged(project: Project, models: dict[str, ModelNode]) -> None:
    read = {parent for model in models.values() for kind, parent in parents(model) if kind == "source"}
    # What stands for raw tables only if it is asked for: `lf_source_shapes`.
    others = {"klaviyo_warehouse_sync"}
    sources = [each for each in project.manifest.sources.values() if each.source_name not in others]
    assert read == {source.name for source in sources}


def test_every_model_is_described_and_has_a_key(project: Project, models: dict[str, ModelNode]) -> None:
    keys: dict[str, set[str]] = {name: set() for name in models}
    for node in project.manifest.nodes.values():
        if isinstance(node, GenericTestNode) and node.attached_node and node.attached_node.startswith("model."):
            keys[node.attached_node.split(".")[-1]].add(node.test_metadata.name)
    for name, model in models.items():
        if name not in ON_THE_WAY:
            assert "integrity" in keys[name], f"{name} has no key"
        assert model.description.startswith(("One row per ", "One row, ")), f"{name}: grain first"
        assert model.columns, name
        for column in model.columns.values():
            assert column.description, f"{name}.{column.name} is not described"
            assert column.data_type, f"{name}.{column.name} has no type"


def test_what_others_read_has_a_contract(models: dict[str, ModelNode]) -> None:
    for name, model in models.items():
        assert model.config.contract.enforced is (layer(model) not in {"staging", "intermediate"}), name


def test_numbers_are_of_their_type_whoever_loaded_them(models: dict[str, ModelNode]) -> None:
    """A loader makes of a number what it likes: target-postgres a decimal. Contracts are of what staging says."""
    for name, model in models.items():
        for column in model.columns.values() if layer(model) == "staging" else ():
            if column.data_type in {"integer", "double", "decimal"}:
                as_loaded = re.compile(rf"^\s+(\w+\.)?{column.name},?$", re.MULTILINE)
                assert not as_loaded.search(model.raw_code), f"{name}.{column.name} is as it was loaded: cast it"


def test_no_model_overrides_how_its_folder_is_built(models: dict[str, ModelNode]) -> None:
    for name, model in models.items():
        if model.config.materialized not in {
            "incremental",
            "append_only",
            "by_days",
            "by_changes",
        }:  # a model that keeps its rows says so itself
            assert "config(" not in model.raw_code, name


def test_each_model_has_one_yml_beside_it(models: dict[str, ModelNode]) -> None:
    for name, model in models.items():
        beside = Path(model.original_file_path).with_suffix(".yml")
        assert (model.patch_path or "").endswith(str(beside)), name
        assert len(yaml.safe_load((PROJECT / beside).read_text(encoding="utf-8"))["models"]) == 1, name


def test_unit_tests_cover_what_decides(project: Project, models: dict[str, ModelNode]) -> None:
    """Every model above staging that compares, counts or chooses has an example."""
    tested = {test.model for test in project.manifest.unit_tests.values()}
    assert {name for name, model in models.items() if layer(model) != "staging"} <= tested
    assert "stg_klaviyo__events" in tested


def test_unit_tests_have_names_that_postgresql_takes_for_a_relation(project: Project) -> None:
    long = [test.name for test in project.manifest.unit_tests.values() if len(test.name) > POSTGRES_NAME]
    assert long == []


def test_sql_reads_from_top_to_bottom(models: dict[str, ModelNode]) -> None:
    """`with` first, one import per parent but for those of hooks, the last line selects the last step."""
    for name, model in models.items():
        lines = [line for line in model.raw_code.strip().splitlines() if line.strip()]
        assert "with" in lines, name
        steps = [line.split(" as (")[0] for line in lines if line.endswith(" as (") and not line.startswith(" ")]
        assert lines[-1].removeprefix("select * from ") == steps[-1], name
        imports = ("select * from {{ ref(", "{{ lf_source(", "select * from {{ lf_of_accounts(")
        imported = sum(map(model.raw_code.count, imports))
        hooks = (*model.config.pre_hook, *model.config.post_hook)
        hooked = sum(hook.sql.count("ref(") for hook in hooks)
        assert imported + hooked >= len(set(model.depends_on.nodes)), name


def test_postgresql_compiles_no_model(models: dict[str, ModelNode]) -> None:
    for name, model in models.items():
        assert any("lf_without_jit" in hook.sql for hook in model.config.pre_hook), name


def test_the_readme_lists_every_variable_and_job() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    configured = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", readme.split("## Variables")[1], flags=re.MULTILINE)
    assert {name: yaml.safe_load(default) for name, default in rows} == configured
    jobs = yaml.safe_load((PROJECT / "selectors.yml").read_text(encoding="utf-8"))["selectors"]
    assert re.findall(r"`dbt build --selector (\w+)`", readme) == [job["name"] for job in jobs]


def test_variables_and_texts_are_read_in_one_place() -> None:
    """A variable enters SQL checked (`lf_variable`), a text becomes a value as everywhere (`lf_values.sql`)."""
    own = {"lf_variable.sql", "lf_refuse_former_variables.sql"}
    for folder in ("models", "macros", "data-tests"):
        for path in (PROJECT / folder).rglob("*.sql"):
            text = path.read_text(encoding="utf-8")
            assert path.name in own or not re.search(r"\bvar\(", text), path
            assert "escape_single_quotes" not in text or path.name == "escape_single_quotes.sql", path
            casts = re.findall(r"(?:try|safe)_cast\([^\n]* as (?:bool|date|dec|double|float|int|num|time)", text)
            assert path.name == "lf_values.sql" or not casts, path


def test_the_stand_in_for_dbts_parser_makes_what_it_makes(models: dict[str, ModelNode]) -> None:
    """Its unit tests are built by `with_ctes`; a model that begins otherwise is left to dbt."""
    ctes = [InjectedCTE(id=name, sql=f"{name} as (\n    select 1 as id\n)") for name in ("a", "b")]
    shortest = sorted((model.raw_code for model in models.values()), key=len)[:12]
    for sql in (
        *shortest,
        "with\n\nx as (select 'with' as y)\n\nselect * from x",
        "-- with\nselect 1",
        "select 1",
    ):
        assert with_ctes(sql, ctes) == inject_ctes_into_sql(sql, ctes)
    assert with_ctes("select 1", []) == "select 1"
