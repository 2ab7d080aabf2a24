"""A state and a warehouse that do not belong together are noticed, and accounts are kept apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typing_extensions import override

from klaviyo_sandbox import Sandbox
from tap_klaviyo_engagement.emission.message_writer import MessageWriter
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from target_duckdb.loader import Loader
from target_duckdb.warehouse import Warehouse, WarehouseError

Json = dict[str, Any]


class Lines(MessageWriter):
    """Keeps what the tap writes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    @override
    def send(self, lines: bytes | bytearray, *, flush: bool = False) -> None:
        self.lines += bytes(lines).splitlines()


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with Sandbox(profiles=80, events=40, seed=1) as sandbox:
        yield sandbox


def _extract(sandbox: Sandbox, file: Path, state: Json | None = None, stream: str = "profiles") -> list[Json]:
    """One run of tap and loader, which gives the states that it leaves."""
    settings = {"api_key": sandbox.api_key, "api_url": sandbox.url, "rejects_path": f"{file}-rejects.jsonl"}
    catalog: Json = json.loads(json.dumps(TapKlaviyoEngagement(config=settings).catalog_dict, default=str))
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = entry["tap_stream_id"] == stream
    written = Lines()
    TapKlaviyoEngagement(config=settings, catalog=catalog, state=state, message_writer=written).read_all()
    states: list[Json] = []
    warehouse: list[Warehouse] = []

    def opened() -> Warehouse:
        warehouse.append(Warehouse(str(file), "klaviyo_raw", 0, tell=print, refuse=loader.refuse))
        return warehouse[0]

    loader = Loader(
        opened,
        batch_rows=50,
        batch_bytes=1 << 20,
        fail_on_reject=True,
        emit=lambda value: states.append(json.loads(value)),
        tell=print,
    )
    try:
        loader.load([[line] for line in written.lines])
    finally:
        for each in warehouse:
            each.close()
    return states


def _profiles(file: Path) -> int:
    with duckdb.connect(str(file)) as opened:
        return int(opened.execute("select count(*) from klaviyo_raw.profiles").fetchall()[0][0])


def test_a_warehouse_that_was_deleted_is_not_filled_with_the_rest(account: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "file"
    state = _extract(account, file)[-1]
    state = _extract(account, file, state)[-1]
    assert _profiles(file) == 80
    file.unlink()
    with pytest.raises(WarehouseError, match="does not hold what the tap takes for loaded of profiles"):
        _extract(account, file, state)
    _extract(account, file)
    assert _profiles(file) == 80


@pytest.mark.parametrize("stream", ["profiles", "events", "lists"])
def test_a_state_that_was_lost_repeats_no_row_of_the_warehouse(
    account: Sandbox, tmp_path: Path, stream: str
) -> None:
    file = tmp_path / "file"

    def rows() -> list[tuple[Any, ...]]:
        with duckdb.connect(str(file)) as opened:
            columns = "columns(lambda name: not starts_with(name, '_sdc_'))"
            return opened.execute(f"select {columns} from klaviyo_raw.{stream} order by id").fetchall()  # noqa: S608

    _extract(account, file, stream=stream)
    before = rows()
    state = _extract(account, file, stream=stream)[-1]
    assert rows() == before
    with duckdb.connect(str(file)) as opened:
        [counted] = opened.execute(f"select count(*), count(distinct id) from klaviyo_raw.{stream}").fetchall()  # noqa: S608
    assert counted == (len(before), len(before)) > (0, 0)
    _extract(account, file, state, stream)
    assert rows() == before, "and it is gone on with"


def test_two_accounts_do_not_share_a_warehouse(account: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "file"
    _extract(account, file)
    with Sandbox(profiles=5, events=5, seed=2) as other, pytest.raises(WarehouseError) as refusal:
        _extract(other, file)
    assert account.account_id in str(refusal.value)
    assert other.account_id in str(refusal.value)
    assert _profiles(file) == 80
