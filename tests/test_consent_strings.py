"""Strings of the warehouse are decoded into the same warehouse, as the mapper's README types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb

STRING = "COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA"


def _pipe(warehouse: Path) -> list[str]:
    """Tap, mapper and target as processes of one pipe; what they tell."""
    environment = {
        **os.environ,
        "TAP_DUCKDB_PATH": str(warehouse),
        "TAP_DUCKDB_PREFIX": "pub_consent_",
        "TARGET_DUCKDB_PATH": str(warehouse),
        "TARGET_DUCKDB_BATCH_ROWS": "1000",
        "TARGET_DUCKDB_LOCK_TIMEOUT": "20",
    }
    programs: list[subprocess.Popen[bytes]] = []
    for module in ("tap_duckdb", "map_consent_strings", "target_duckdb"):
        before = programs[-1].stdout if programs else subprocess.DEVNULL
        process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-m", module, "--config=ENV"],
            stdin=before,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        if programs and programs[-1].stdout:
            programs[-1].stdout.close()  # the process before ends where this one does
        programs.append(process)
    told = [program.communicate()[1].decode() if program is programs[-1] else "" for program in programs[::-1]]
    for program in programs[:-1]:
        assert program.stderr
        told.append(program.stderr.read().decode())
        program.stderr.close()
        program.wait()
    assert [program.returncode for program in programs] == [0, 0, 0], told
    return told


def test_what_a_warehouse_has_is_decoded_into_it(tmp_path: Path) -> None:
    """More than fits between two processes, so that the file is written while the tap would still read it."""
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema klaviyo_raw")
        connection.execute("create schema publish")
        connection.execute("create table events as select range::varchar as consent_string from range(20, 8020)")
        connection.execute("insert into events values (?), ('1YYN'), (null)", [STRING])
        connection.execute(
            "create view publish.pub_consent_strings as select distinct consent_string from events"
            " where consent_string is not null"
        )
    told = _pipe(warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        # As dbt finds what is left.
        assert connection.execute(
            "select count(*) from publish.pub_consent_strings"
            " where sha256(consent_string) not in (select string_sha256 from klaviyo_raw.consent_strings)"
        ).fetchone() == (0,)
        rows = connection.execute(
            "select scheme, error, purposes, opted_out from klaviyo_raw.consent_strings"
            " order by error is not null, scheme"
        ).fetchall()
    tcf, privacy, *others = rows
    assert (tcf[0], json.loads(tcf[2]), tcf[3]) == ("tcf", ["3", "4", "5", "6", "7", "8", "9"], None)
    assert (privacy[0], json.loads(privacy[3])) == ("us_privacy", ["sale"])
    assert len(others) == 8000
    assert {row[1] for row in others} == {"it is no US Privacy string of version 1"}
    assert not any(STRING in line for line in told)
