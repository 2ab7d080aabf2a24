"""Every row of every stream arrives, from the sandbox through the tap and the loader, in small batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from klaviyo_sandbox import Sandbox
from klaviyo_wire.endpoints import DEFAULT_REVISION
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream
from tap_klaviyo_engagement.stream_kinds.relationship_stream import RelationshipStream
from tap_klaviyo_engagement.streams import SWITCHED, streams_for

ROOT = Path(__file__).parent.parent
TAP = Path(sys.executable).parent / "tap-klaviyo-engagement"
LOADER = ROOT / ".meltano" / "loaders" / "target-duckdb" / "venv" / "bin" / "target-duckdb"
BATCH = 100
TOLD = [
    stream
    for stream in streams_for(DEFAULT_REVISION)
    if issubclass(stream, ListedStream) and stream.tells_ids and stream.selected_by_default
]
RELATED = [stream for stream in streams_for(DEFAULT_REVISION) if issubclass(stream, RelationshipStream)]
NAMES = [
    stream.name
    for stream in streams_for(DEFAULT_REVISION)
    # Nothing was imported yet, and the others do not come unless they are asked for.
    if stream.selected_by_default and stream not in SWITCHED and stream.name != "profile_import_jobs"
]


def _load(messages: bytes, folder: Path) -> Path:
    """Give the messages to the loader, configured as the pipeline does, but in small batches."""
    path = folder / "klaviyo.duckdb"
    plugins = yaml.safe_load((ROOT / "plugins" / "loaders.meltano.yml").read_text())["plugins"]["loaders"]
    declared = next(plugin["settings"] for plugin in plugins if plugin["name"] == "target-duckdb")
    settings = {setting["name"]: setting["value"] for setting in declared}
    settings |= {"path": str(path), "batch_rows": BATCH}
    (folder / "settings.json").write_text(json.dumps(settings))
    subprocess.run(  # noqa: S603
        [LOADER, "--config", folder / "settings.json"], input=messages, check=True, capture_output=True
    )
    return path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int], dict[str, int]]:
    """The warehouse, the rows the tap emitted, and the rows the sandbox holds; by stream."""
    with Sandbox(profiles=730, events=2_350, segments=4, seed=23) as sandbox:
        env = os.environ | {
            "TAP_KLAVIYO_ENGAGEMENT_API_KEY": sandbox.api_key,
            "TAP_KLAVIYO_ENGAGEMENT_API_URL": sandbox.url,
        }
        run = subprocess.run([TAP, "--config=ENV"], env=env, check=True, capture_output=True)  # noqa: S603
        held = sandbox.control.counts()
    emitted = dict.fromkeys(NAMES, 0)
    for line in run.stdout.splitlines():
        message = json.loads(line)
        if message["type"] == "RECORD":
            emitted[message["stream"]] += 1
    return _load(run.stdout, tmp_path_factory.mktemp("loaded")), emitted, held


@pytest.mark.parametrize("stream", NAMES)
def test_every_row_arrives(stream: str, loaded: tuple[Path, dict[str, int], dict[str, int]]) -> None:
    path, emitted, held = loaded
    with duckdb.connect(str(path), read_only=True) as warehouse:
        rows = warehouse.sql(f"select count(*) from klaviyo_raw.{stream}").fetchall()[0][0]  # noqa: S608
    assert rows == emitted[stream] > 0
    # Made by the tap: one for each list, each segment and each stream of which all was seen; and what that was.
    told = [each.name for each in TOLD]
    snapshots = held["lists"] + held["segments"] + len(told) + len(RELATED)
    held = held | {"membership_snapshots": snapshots}
    assert rows == (held | {"resource_ids": sum(held[name] for name in told)})[stream]
