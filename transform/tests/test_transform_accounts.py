"""All accounts as one: a table for each mart, with the rows of each account as it holds them."""
# ruff: noqa: S608 - the tests' own names

from __future__ import annotations

import re
from typing import Any

import pytest
from dbt.contracts.graph.nodes import GenericTestNode, ModelNode
from transform_engines import UNSERVED, DuckDB, chosen_among
from transform_project import Outcome, Project, Warehouse

ON_ENGINES = chosen_among("duckdb", "postgres")
"""Elsewhere the models are read by their grammar alone."""

RESULTS, FLOWS = "fct_experiment_results", "fct_flow_daily"
JOB = ("build", "--selector", "accounts")
WITHOUT_TESTS = (*JOB, "--exclude-resource-type", "test")
EACH = (('O\'Brien & "Söhne"', "10"), ("brand-a", "20"))
"""Two accounts, and a revenue that tells the rows of one from the other's."""


META_ANALYSIS = "fct_experiment_meta_analysis"


def _tables(project: Project) -> dict[str, ModelNode]:
    """The tables of all accounts, by the mart that each reads."""
    models = [node for node in project.manifest.nodes.values() if isinstance(node, ModelNode)]
    return {node.alias: node for node in models if node.fqn[1] == "accounts" and node.alias != META_ANALYSIS}


def _columns(warehouse: Warehouse, schema: str, table: str) -> list[tuple[Any, ...]]:
    return warehouse.query(
        "select column_name, data_type from information_schema.columns"
        f" where table_schema = '{schema}' and table_name = '{table}' order by ordinal_position"
    )


def _rows(warehouse: Warehouse, table: str, condition: str = "true", without: str = "") -> list[tuple[str, ...]]:
    columns = [name for name, _ in _columns(warehouse, *table.split(".")) if name != without]
    found = warehouse.query(f"select {', '.join(columns)} from {table} where {condition}")
    return sorted(tuple(map(str, row)) for row in found)


def _of(account: str) -> str:
    text = account.replace("'", "''")
    return f"account_id = '{text}'"


def _execute(warehouse: Warehouse, *statements: str) -> None:
    for statement in statements:
        warehouse.project.engine.execute(warehouse.database, statement)


class Accounts:
    """Warehouses of accounts, as each engine keeps them apart, and one that reads them."""

    def __init__(self, first: Warehouse, other: Warehouse) -> None:
        self.project = first.project
        self.is_files = isinstance(first.project.engine, DuckDB)
        (one, _), (two, _) = EACH
        if self.is_files:
            self.each = {one: (first, "marts"), two: (other, "marts")}
            self.all = Warehouse.empty(first.project)
            self.places: dict[str, dict[str, str]] = {
                account: {"path": warehouse.database} for account, (warehouse, _) in self.each.items()
            }
        else:  # a database for all, with schemas for each
            self.all = first
            self.each = {one: (first, "marts"), two: (first, "marts_two")}
            self.places = {account: {"schema": schema} for account, (_, schema) in self.each.items()}

    def run(self, *arguments: str, **places: Any) -> Outcome:  # noqa: ANN401
        return self.all.dbt(*arguments, accounts=places or self.places)


@pytest.fixture
def accounts(built: Warehouse) -> Accounts:
    """Two accounts that measured the same experiment, with other figures."""
    first = built.copy()
    other = built.copy() if isinstance(built.project.engine, DuckDB) else first
    if other is first:
        marts = [node.name for node in built.project.manifest.nodes.values() if node.schema == "marts"]
        held = {
            row[0]
            for row in first.query("select table_name from information_schema.tables where table_schema = 'marts'")
        }
        copies = (f"create table marts_two.{each} as select * from marts.{each}" for each in marts if each in held)
        _execute(first, "create schema marts_two", *copies)
    found = Accounts(first, other)
    for (_, value), (warehouse, schema) in zip(EACH, found.each.values(), strict=True):
        _execute(warehouse, f"update {schema}.{RESULTS} set total = {value}")
    return found


def test_every_row_of_each_account_is_there_as_it_was_measured(accounts: Accounts) -> None:
    """The same experiment in both; names that no statement must be broken by; types and order of the contract."""
    outcome = accounts.run(*JOB)
    tables = _tables(accounts.project)
    assert outcome.built() == {f"accounts_{mart}" for mart in [*tables, META_ANALYSIS]}
    assert len(tables) >= 20
    assert outcome.warnings == []
    for mart in tables:
        for account, (warehouse, schema) in accounts.each.items():
            own = _rows(warehouse, f"{schema}.{mart}")
            assert _rows(accounts.all, f"accounts.{mart}", _of(account), without="account_id") == own, mart
        held = _columns(accounts.all, "accounts", mart)
        first, (_, schema) = held[0], accounts.each["brand-a"]
        assert first[0] == "account_id"
        warehouse = accounts.each["brand-a"][0]
        assert sorted(held[1:]) == sorted(_columns(warehouse, schema, mart)), mart
    totals = accounts.all.query(f"select distinct account_id, total from accounts.{RESULTS} order by 2")
    assert [(account, f"{total:g}") for account, total in totals] == list(EACH)


def test_two_accounts_that_found_the_same_are_one_estimate_that_is_surer(accounts: Accounts) -> None:
    """By half the variance; of an experiment that has other arms in one of them, none."""
    warehouse, schema = accounts.each["brand-a"]
    _execute(warehouse, f"update {schema}.{RESULTS} set arm_key = 'other' where arm_key = 'zebra'")
    accounts.run(*WITHOUT_TESTS)
    compared = accounts.all.query(
        "select together.experiment_key, together.accounts, together.units, alone.units, together.difference,"
        " case when alone.estimator = 'cuped' then alone.cuped_difference else alone.difference end,"
        " together.standard_error, alone.decisive_standard_error, together.least_lift, alone.relative_lift"
        f" from accounts.{META_ANALYSIS} as together inner join accounts.{RESULTS} as alone"
        " on together.experiment_key = alone.experiment_key and together.slot_key = alone.slot_key"
        " and together.arm_key = alone.arm_key and together.metric = alone.metric"
        f" where alone.analysis = 'assigned' and alone.attribution = 'assigned_window' and {_of('brand-a')}"
    )
    assert {row[0] for row in compared} == {"spring"}
    assert any(row[6] for row in compared)
    for _, several, units, each, together, alone, error, own_error, least, lift in compared:
        assert (several, units) == (2, 2 * each)
        assert together == pytest.approx(alone)
        assert least == lift
        assert (error or 0) == pytest.approx((own_error or 0) / 2**0.5)


def test_where_accounts_are_read_nothing_else_is_made(accounts: Accounts) -> None:
    """Neither raw tables nor ledgers, beside which those of all accounts would be looked for in vain."""
    theirs = {
        account: _all_tables(warehouse) for account, (warehouse, _) in accounts.each.items() if accounts.is_files
    }
    before = _all_tables(accounts.all)
    accounts.run(*WITHOUT_TESTS)
    made = {("accounts", mart) for mart in [*_tables(accounts.project), META_ANALYSIS]}
    assert _all_tables(accounts.all) == before | made
    assert {account: _all_tables(accounts.each[account][0]) for account in theirs} == theirs


def _all_tables(warehouse: Warehouse) -> set[tuple[Any, ...]]:
    return set(warehouse.query("select table_schema, table_name from information_schema.tables"))


def test_what_an_account_does_not_hold_is_told(accounts: Accounts) -> None:
    """A mart that was never built there, and a column that an older version did not have."""
    warehouse, schema = accounts.each["brand-a"]
    _execute(
        warehouse, f"drop table {schema}.{FLOWS}", f"alter table {schema}.{RESULTS} drop column relative_lift"
    )
    outcome = accounts.run(*WITHOUT_TESTS)
    [no_column] = [each for each in outcome.warnings if "relative_lift" in each]
    assert f"{RESULTS} of the account brand-a has no relative_lift, which are null here" in no_column
    [no_mart] = [each for each in outcome.warnings if FLOWS in each]
    assert f"{FLOWS} is not there for the account brand-a (" in no_mart
    assert "run `engagement` there" in no_mart
    lifts = f"select count(*), count(relative_lift) from accounts.{RESULTS} where {_of('brand-a')}"
    [(rows, lift)] = accounts.all.query(lifts)
    assert rows > 0
    assert lift == 0
    flows = accounts.all.query(f"select count(*) from accounts.{FLOWS} where {_of('brand-a')}")
    assert flows == [(0,)]


def test_views_and_foreign_tables_are_read_as_tables_are(accounts: Accounts) -> None:
    """PostgreSQL's adapter does not list the latter, nor columns of a materialized view.

    Where nothing serves a foreign table, the run fails; it is not passed over.
    """
    warehouse, schema = accounts.each["brand-a"]
    place = {**accounts.places["brand-a"], "schema": "theirs"}
    _execute(warehouse, "create schema theirs")
    for kind in ("view",) if accounts.is_files else ("view", "materialized view"):
        _execute(warehouse, f"create {kind} theirs.{RESULTS} as select * from {schema}.{RESULTS}")
        outcome = accounts.run(*WITHOUT_TESTS, **{"brand-a": place})
        assert not [each for each in outcome.warnings if RESULTS in each]
        assert accounts.all.query(f"select distinct account_id from accounts.{RESULTS}") == [("brand-a",)]
        _execute(warehouse, f"drop {kind} theirs.{RESULTS}")
    if not accounts.is_files:
        columns = ", ".join(f"{name} {kind}" for name, kind in _columns(warehouse, schema, RESULTS))
        _execute(warehouse, *UNSERVED, f"create foreign table theirs.{RESULTS} ({columns}) server elsewhere")
        with pytest.raises(AssertionError, match='foreign-data wrapper "nobody" has no handler'):
            accounts.run(*WITHOUT_TESTS, **{"brand-a": place})


def test_accounts_without_rows_and_one_account_alone(accounts: Accounts) -> None:
    warehouse, schema = accounts.each["brand-a"]
    warehouse.delete(f"{schema}.{RESULTS}")
    accounts.run(*WITHOUT_TESTS)
    both = f"select distinct account_id from accounts.{RESULTS}"
    assert accounts.all.query(both) == [(EACH[0][0],)]
    accounts.run(*WITHOUT_TESTS, **{"brand-a": accounts.places["brand-a"]})
    assert accounts.all.query(both) == []
    if accounts.is_files:  # of which one may hold several
        file = accounts.places["brand-a"]["path"]
        accounts.run(*WITHOUT_TESTS, here={"path": file}, there={"path": file, "schema": "elsewhere"})
        assert accounts.all.query("select distinct account_id from accounts.dim_experiments") == [("here",)]


def test_a_key_that_is_twice_in_an_account_is_found(accounts: Accounts) -> None:
    """By the mart's own key, beside which stands the account."""
    warehouse, schema = accounts.each["brand-a"]
    _execute(warehouse, f"insert into {schema}.{RESULTS} select * from {schema}.{RESULTS} limit 1")
    with pytest.raises(AssertionError, match=f"accounts_{RESULTS}_integrity") as caught:
        accounts.run(*JOB)
    assert "account_id = brand-a" in str(caught.value)
    assert "arm_key = " in str(caught.value)
    assert "the key is not unique" in str(caught.value)


WRONG = {
    "no mapping": ["brand-a"],
    "no place": {"brand-a": {}},
    "a text": {"brand-a": "/srv/klaviyo.duckdb"},
    "misspelled": {"brand-a": {"pth": "/srv/klaviyo.duckdb"}},
    "no text": {"brand-a": {"schema": 1}},
    "no name": {" ": {"schema": "marts_a"}},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_what_is_no_place_is_refused(project: Project, given: object) -> None:
    with pytest.raises(Exception, match="give it where the marts of each account are, such as") as caught:
        Warehouse.empty(project).dbt("run", "--select", f"accounts_{RESULTS}", accounts=given)
    assert "The variable `accounts` is" in str(caught.value)


def test_a_place_that_cannot_be_is_refused_with_its_remedy(project: Project) -> None:
    twice = {"brand-a": {"schema": "marts_a"}, "brand-b": {"schema": "marts_a"}}
    cases: list[tuple[dict[str, dict[str, str]], str]] = [(twice, "are at one place")]
    if project.engine.name == "duckdb":
        cases.append(
            ({"brand-a": {"path": "/nowhere/[a]*.duckdb"}}, "there is no /nowhere/[a]*.duckdb, where `brand-a`")
        )
    else:
        cases.append(
            ({"brand-a": {"path": "/srv/klaviyo.duckdb"}}, "postgres reads no files: give it the `schema`")
        )
        cases.append(
            ({"brand-a": {"database": "elsewhere"}}, "bring its marts here as foreign tables (postgres_fdw)")
        )
    for given, told in cases:
        with pytest.raises(Exception, match=re.escape(told)):
            Warehouse.empty(project).dbt("run", "--select", f"accounts_{RESULTS}", accounts=given)


def test_columns_are_declared_once(project: Project) -> None:
    """Beside `account_id`, those of the mart. None of the marts is a view: one names the file that it is in."""
    tables = _tables(project)
    marts = {node.name: node for node in project.manifest.nodes.values() if isinstance(node, ModelNode)}
    for mart, node in tables.items():
        assert node.name == f"accounts_{mart}"
        assert list(node.columns) == ["account_id"], mart
        assert node.depends_on.nodes == [f"model.klaviyo_loop.{mart}"]
        assert "profile_id" not in marts[mart].columns, "people stay in their account"
        assert marts[mart].config.materialized != "view", mart
    tests = [node for node in project.manifest.nodes.values() if isinstance(node, GenericTestNode)]
    keys = {node.name: node.test_metadata.kwargs.get("key_of") for node in tests}
    assert {mart: keys[f"accounts_{mart}_integrity"] for mart in tables} == {mart: mart for mart in tables}
