"""The columns of the files, and how rows of the warehouse become them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

READ = (
    "exposed_at",
    "exposure_id",
    "profile_id",
    "tracking_id",
    "experiment_key",
    "experiment_version",
    "slot_key",
    "arm_key",
    "copy_id",
    "message_id",
    "template_id",
    "attrs",
)
"""The columns of `fct_exposures` that are read, in the order in which rows hold them."""


class Column(NamedTuple):
    """A column of the files.

    Attributes:
        name: Its name.
        kind: Its type in Arrow.
        source: The column of `fct_exposures` that it is; None: made of the content.
        description: What it is.
    """

    name: str
    kind: Any
    source: str | None
    description: str


_TEXT = pa.string()
COLUMNS = (
    Column("event_timestamp", pa.timestamp("us", tz="UTC"), "exposed_at", "When the message was received, UTC"),
    Column("user_id", _TEXT, "profile_id", "Klaviyo's id of the profile"),
    Column(
        "tracking_id",
        _TEXT,
        "tracking_id",
        "What the flow that asked for the profile last before gave as its own id of that; null where none did",
    ),
    Column("copy_id", _TEXT, "copy_id", "SHA-256 of the content that was shown; null where no run saw it"),
    Column("experiment", _TEXT, "experiment_key", "Experiment"),
    Column("experiment_version", pa.int32(), "experiment_version", "The version that the message was sent under"),
    Column("slot", _TEXT, "slot_key", "Slot of the message"),
    Column("arm", _TEXT, "arm_key", "Arm that the profile was assigned"),
    Column("message_id", _TEXT, "message_id", "Klaviyo's id of the message, `$message` of its events"),
    Column("template_id", _TEXT, "template_id", "Klaviyo's id of the template; null where it is not known"),
    Column(
        "vars",
        _TEXT,
        None,
        "The content as a JSON object: `subject`, `body` (HTML, or the text of an SMS or a push) and `text` (what"
        " stands beside HTML), those that there are, as the definition has them; null where `copy_id` is",
    ),
    Column(
        "attrs", _TEXT, "attrs", "What the flow's request told of the profile, a JSON object; null where none did"
    ),
    Column("exposure_id", _TEXT, "exposure_id", "The row: event of the receipt, experiment and slot"),
)
SCHEMA = pa.schema([(each.name, each.kind) for each in COLUMNS])
_READ_SCHEMA = pa.schema(
    [
        (name, {"exposed_at": pa.timestamp("us"), "experiment_version": pa.int32()}.get(name, _TEXT))
        for name in READ
    ]
)


def vars_of(subject: str | None, html: str | None, text: str | None) -> str:
    """What stands in the column `vars`."""
    parts = {"subject": subject, "body": text if html is None else html, "text": None if html is None else text}
    return json.dumps({name: part for name, part in parts.items() if part is not None}, ensure_ascii=False)


def read_batch(rows: list[tuple[Any, ...]]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Rows with the columns `READ` as a record batch; moments are of UTC."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in READ]
    columns[0] = [_naive(moment) for moment in columns[0]]
    columns[-1] = [each if each is None or isinstance(each, str) else json.dumps(each) for each in columns[-1]]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, _READ_SCHEMA.types, strict=True)],
        schema=_READ_SCHEMA,
    )


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def by_hour(batch: Any) -> Iterator[tuple[datetime, Any]]:  # noqa: ANN401 - pyarrow has no types
    """The parts of a record batch, whose rows are in order of time, by the hour that they are of."""
    if not batch.num_rows:
        return
    hours = pc.run_end_encode(pc.floor_temporal(batch.column(0), unit="hour"))
    start = 0
    for hour, end in zip(hours.values.to_pylist(), hours.run_ends.to_pylist(), strict=True):
        yield hour.replace(tzinfo=UTC), batch.slice(start, end - start)
        start = end


def without(batch: Any, is_left_out: Callable[[str], bool]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """A record batch without the rows of some profiles."""
    profiles = batch.column(READ.index("profile_id"))
    left_out = [each for each in pc.unique(profiles).to_pylist() if is_left_out(each)]
    return batch.filter(pc.invert(pc.is_in(profiles, pa.array(left_out, _TEXT)))) if left_out else batch


def written(batches: list[Any], contents: Mapping[str, str]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Record batches as a table of the files.

    Args:
        batches: As they were read.
        contents: What stands in `vars`, by `copy_id`. Each is in the table once, however many rows show it.
    """
    table = pa.Table.from_batches(batches).combine_chunks()
    columns = []
    for each in COLUMNS:
        if each.source is None:
            column = _shown(table.column("copy_id").combine_chunks(), contents)
        elif each.source == "exposed_at":
            column = pc.assume_timezone(table.column(each.source).cast(pa.timestamp("us")), "UTC")
        else:
            column = table.column(each.source).cast(each.kind)
        columns.append(column)
    return pa.table(columns, names=[each.name for each in COLUMNS])


def _shown(copies: Any, contents: Mapping[str, str]) -> Any:  # noqa: ANN401 - pyarrow has no types
    used = pa.array([each for each in pc.unique(copies).to_pylist() if each in contents], _TEXT)
    texts = pa.array([contents[each] for each in used.to_pylist()], _TEXT)
    return pa.DictionaryArray.from_arrays(pc.index_in(copies, value_set=used), texts)
