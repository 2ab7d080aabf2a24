"""A disk that fills up amid a run of dbt: the ledger is as it was, and the next run goes on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transform_project import ASSIGN, Warehouse, World

ON_ENGINES = ["duckdb"]
LEDGER = "select count(*) from marts.fct_assignments where experiment_key = 'spring'"


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
    """Every newcomer is in the ledger or nobody, the file can be opened, and the next run goes on."""
    warehouse = first_run.copy()
    world.land(warehouse)
    size = Path(warehouse.database).stat().st_size
    with _most_bytes(size), pytest.raises(Exception, match="File too large"):
        warehouse.dbt(*ASSIGN)
    assert warehouse.query(LEDGER) in ([(0,)], [(480,)])
    warehouse.dbt(*ASSIGN)
    assert warehouse.query(LEDGER) == [(480,)]
