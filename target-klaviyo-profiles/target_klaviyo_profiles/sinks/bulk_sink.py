"""The base class of sinks that write many rows per request."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from typing_extensions import override

from klaviyo_wire import bulk
from target_klaviyo_profiles.rows import Outcome
from target_klaviyo_profiles.sinks.base import Sink

if TYPE_CHECKING:
    from klaviyo_wire.errors import Problem
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rows import Batch, Group
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

ROWS = "<rows>"
"""Stands in an envelope where the array of rows goes."""


class BulkSink(Sink):
    """A sink that has a `BulkRoute`."""

    @abstractmethod
    def envelope(self, group: Group) -> Json:
        """The request of a group, with `ROWS` in place of the array of rows, and nothing of a record's before it.

        The place of `ROWS` is also how pointers of refusals are read: `<pointer of ROWS>/<number of the row>`.
        """

    def path(self, group: Group) -> Mapping[str, str]:  # noqa: ARG002 - for sinks to override
        """The path parameters of a group's request."""
        return {}

    def keys_of(self, sent: Mapping[str, object]) -> list[Key]:  # noqa: ARG002 - for sinks to override
        """The keys that a row may have been known by, from the `original_payload` of a job's error."""
        return []

    def preflight(self, batch: Batch, context: SinkContext) -> Outcome:  # noqa: ARG002 - for sinks to override
        """Rows that must not be sent as things stand in Klaviyo: `rejected`, `unchanged` or `unsettled`.

        Called before the batch is sent, on the delivery's thread; may ask Klaviyo (operations in `reads`).

        Raises:
            KlaviyoError: Klaviyo cannot be asked.
        """
        return Outcome()

    def already_held(self, problem: Problem) -> bool:  # noqa: ARG002 - for sinks to override
        """Whether a request or a job refuses a row because Klaviyo has it already: then it counts as unchanged."""
        return False

    @override
    def envelope_size(self, group: Group) -> int:
        return _envelope(self, group).size

    def body(self, group: Group, payloads: Sequence[bytes]) -> bytes:
        """A request, encoded."""
        envelope = _envelope(self, group)
        return envelope.before + b",".join(payloads) + envelope.after

    def rows_pointer(self, group: Group) -> str:
        """The JSON pointer to the array of rows in a request."""
        return _envelope(self, group).rows_pointer

    def position(self, group: Group, pointer: str | None) -> int | None:
        """The row of a request that a JSON pointer names, counted from 0; None when it names none."""
        match = _envelope(self, group).row_pattern.match(pointer or "")
        return int(match[1]) if match else None


@dataclass(frozen=True)
class _Envelope:
    """A group's request without its rows.

    Attributes:
        before: The bytes before the rows, with the opening bracket.
        after: The bytes after them, with the closing one.
        rows_pointer: JSON pointer to the array of rows.
        row_pattern: Matches a JSON pointer to or into a row; its group is the row's number.
        size: Bytes of both.
    """

    before: bytes
    after: bytes
    rows_pointer: str
    row_pattern: re.Pattern[str]
    size: int


@lru_cache(maxsize=1024)
def _envelope(sink: BulkSink, group: Group) -> _Envelope:
    document = sink.envelope(group)
    before, _, after = bulk.encode(document).partition(bulk.encode(ROWS))
    pointer = next(_pointers_to_rows(document, ""))
    # Klaviyo does not document how it points to a refused row: the number follows the last `data` or replaces it.
    pattern = re.compile(rf"^{re.escape(pointer.removesuffix('/data'))}(?:/data)?/(\d+)(?:/|$)")
    return _Envelope(before + b"[", b"]" + after, pointer, pattern, len(before) + len(after) + 2)


def _pointers_to_rows(node: object, at: str) -> Iterator[str]:
    if node == ROWS:
        yield at
    elif isinstance(node, dict):
        for name, inner in node.items():
            yield from _pointers_to_rows(inner, f"{at}/{name}")
