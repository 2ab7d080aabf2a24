"""A disk that fills up amid a run of dbt: the ledger is as it was, and the next run goes on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transform_project import ASSIGN, Warehouse, World

ON_ENGINES = ["duckdb"]
LEDGER = "select experiment_key, slot_key, arm_key, profile_id from marts.fct_assignments"


@contextmanager
def _most_bytes(size: int) -> Iterator[None]:
    """A limit on the size of files stands in for a full disk: it needs no root, and fails the same writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_leaves_the_ledger_whole(first_run: Warehouse, world: World) -> None:
    """At whichever step there is no room any more: all newcomers are in the ledger, or none."""
    whole = first_run.copy()
    world.land(whole)
    whole.dbt(*ASSIGN)
    everybody = set(whole.query(LEDGER))
    begun = first_run.copy()
    world.land(begun)
    size, grown = (Path(each.database).stat().st_size for each in (begun, whole))
    failed = 0
    for room in (0, (grown - size) // 2):
        full = begun.copy()
        with _most_bytes(size + room):
            try:
                full.dbt(*ASSIGN)
            except Exception as error:  # noqa: BLE001 - dbt's and DuckDB's own, of many kinds
                failed += 1
                assert "File too large" in str(error) or "write" in str(error), error
        assert set(full.query(LEDGER)) in (set(), everybody)
        full.dbt(*ASSIGN)
        assert set(full.query(LEDGER)) == everybody
    assert failed
