"""The project's SQL in the dialects of warehouses that nobody runs here.

It is compiled on DuckDB while every macro of the project takes the form that it has on the other warehouse, or
fails if it has none. What dbt itself wraps around a model there is not seen, and nothing is run: the test shows
that the text is of the dialect's grammar, not that the warehouse gives the same rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import pytest
import sqlglot
from dbt.adapters.duckdb.relation import DuckDBRelation
from dbt.clients.jinja import MacroGenerator
from dbt.context.providers import BaseDatabaseWrapper
from sqlglot import exp
from transform_project import Warehouse

ON_ENGINES = ["duckdb"]
DIALECTS = {
    "snowflake": ("snowflake",),
    "bigquery": ("bigquery",),
    "redshift": ("redshift", "postgres"),
    "databricks": ("databricks", "spark"),
    "trino": ("trino",),
}
"""With the adapters whose macros dbt looks for: a warehouse's own and the one that it builds on."""
BACKTICKS = {"bigquery", "databricks"}


@contextlib.contextmanager
def written_for(dialect: str) -> Iterator[None]:
    """The project's macros are dispatched to `dialect`, and names are quoted as it wants them."""
    dispatch = BaseDatabaseWrapper.dispatch

    def dispatched(
        self: BaseDatabaseWrapper, macro_name: str, macro_namespace: str | None = None
    ) -> MacroGenerator:
        if not macro_name.startswith("lf_"):
            return dispatch(self, macro_name, macro_namespace)
        with mock.patch.object(self, "_get_adapter_macro_prefixes", return_value=[*DIALECTS[dialect], "default"]):
            return dispatch(self, macro_name, macro_namespace)

    def quoted(_: object, name: str) -> str:
        mark = "`" if dialect in BACKTICKS else '"'
        return f"{mark}{name}{mark}"

    with (
        mock.patch.object(BaseDatabaseWrapper, "dispatch", dispatched),
        mock.patch.object(DuckDBRelation, "quoted", quoted),
    ):
        yield


HEX = {
    "snowflake": "to_number(",
    "bigquery": "to_hex(",
    "redshift": "strtol(",
    "databricks": "conv(",
    "trino": "from_base(",
}
"""What is found only in a dialect's own form of the bucket."""
NOT_IN_A_MODEL = {
    "growthbook": "select {{ lf_fnv1a('input', 3) }} as hash from (select 'a' as input) as texts",
    "replay": "{{ lf_aa_replay('revenue', 90, 1000, 0, 20000) }}",
    "plan": "{{ lf_plan_experiment('revenue', 'mean', 20000, 0.5, 0.5, 0.1, 90, 5) }}",
}
"""Queries that no model holds unless it is asked for."""
REFUSED = {("redshift", "growthbook")}
"""What a warehouse cannot compute."""


SYNC = {
    "klaviyo_event": "id varchar, profile_id varchar, metric_id text, datetime timestamp, event_properties text",
    "klaviyo_metric": "id varchar, name varchar, integration_name varchar",
    "klaviyo_profile": "id varchar, properties varchar, deleted boolean",
}
"""What Klaviyo's own warehouse sync lands."""


@pytest.fixture(scope="module")
def synced(first_run: Warehouse) -> Warehouse:
    warehouse = first_run.copy()
    columns = {f"klaviyo_sync.{table}": declared for table, declared in SYNC.items()}
    for statement in (
        "create schema klaviyo_sync",
        *(f"create table {each} ({columns[each]})" for each in columns),
    ):
        warehouse.project.engine.execute(warehouse.database, statement)
    return warehouse


@pytest.fixture(scope="module", params=DIALECTS)
def statements(
    request: pytest.FixtureRequest, first_run: Warehouse, synced: Warehouse
) -> tuple[str, dict[str, str]]:
    """Dialect, and compiled SQL by name: models, as they are once they exist, and data tests."""
    with written_for(request.param):
        accounts = {"brand-a": {"schema": "marts"}, "O'Brien": {"schema": "nowhere"}}
        nodes = [result["node"] for result in first_run.dbt("compile", accounts=accounts).results]
        texts = {
            node["unique_id"]: node["compiled_code"]
            for node in nodes
            if node["resource_type"] in {"model", "test"}
        }
        of_the_sync = ("stg_klaviyo__events", "stg_klaviyo__metrics", "stg_klaviyo__profiles")
        for result in synced.dbt("compile", "--select", *of_the_sync, klaviyo_source="warehouse_sync").results:
            texts[f"{result['node']['name']} of the sync"] = result["node"]["compiled_code"]
        for name, query in NOT_IN_A_MODEL.items():
            if (request.param, name) not in REFUSED:
                (result,) = first_run.dbt("compile", "--inline", query).results
                texts[name] = result["node"]["compiled_code"]
    return request.param, texts


def test_every_statement_is_of_the_dialect(statements: tuple[str, dict[str, str]]) -> None:
    dialect, texts = statements
    assert len(texts) > 100
    assert "klaviyo_metric" in texts["stg_klaviyo__metrics of the sync"]
    assert HEX[dialect] in texts["model.klaviyo_loop.int_profiles_bucketed"]
    assert "brand-a" in texts["model.klaviyo_loop.accounts_fct_experiment_results"]
    for name, text in texts.items():
        parsed = sqlglot.parse(text, dialect=dialect, error_level=sqlglot.ErrorLevel.RAISE)
        assert len(parsed) == 1, name
        assert isinstance(parsed[0], exp.Query), name
        assert not list(parsed[0].find_all(exp.Command)), name


def test_what_a_warehouse_cannot_compute_is_told(first_run: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    for dialect, name in REFUSED:
        with written_for(dialect), pytest.raises(Exception, match="inline query"):
            first_run.dbt("compile", "--inline", NOT_IN_A_MODEL[name])
    assert "which Redshift does not have: use md5" in capsys.readouterr().out
