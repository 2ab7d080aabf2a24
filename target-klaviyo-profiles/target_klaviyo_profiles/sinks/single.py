"""Writing record by record: one request each, or the few that one record takes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import override

from klaviyo_wire.errors import Refused
from target_klaviyo_profiles.sinks.base import Batch, Group, Line, Outcome, Reason, Rejected, Row, Sink, Unsettled

if TYPE_CHECKING:
    from target_klaviyo_profiles.values import Json

_REMEDY = "Correct what the detail and the pointer name, then send the record again."
_RECORD_AT_FAULT = frozenset({400, 404, 409, 413, 422})


class RecordSink(Sink):
    """A sink whose routes take one record a request: their limits are `ONE`.

    Nothing of it is in the ledger, so `write` may be called again, in a later run, for a record that was written:
    it must do no harm by that.
    """

    @abstractmethod
    def write(self, row: Row, line: Line) -> bool:
        """Write one record; False when Klaviyo holds it already.

        Raises:
            Rejected: Klaviyo does not take it; see `record_call`.
            Unsettled: it is not known whether Klaviyo took it.
            KlaviyoError: nothing more can be written to this stream, or to Klaviyo at all.
        """

    @override
    def envelope_size(self, group: Group) -> int:
        return len(b'{"data":}')

    @override
    def deliver(self, batch: Batch, line: Line) -> Outcome:
        return one_by_one(batch, line, self.write)


def one_by_one(batch: Batch, line: Line, write: Callable[[Row, Line], bool]) -> Outcome:
    """What became of the rows of a batch that are written one after the other; see `RecordSink.write`."""
    outcome = Outcome()
    for key, payload in zip(batch.keys, batch.payloads, strict=True):
        try:
            if not write(Row(key, batch.group, payload), line):
                outcome.unchanged.add(key)
        except Rejected as rejected:
            outcome.rejected[key] = rejected.reason
        except Unsettled as lost:
            outcome.unsettled[key] = str(lost)
    return outcome


def record_call(  # noqa: PLR0913 - those of `Client.call`, and the remedy
    operation: str,
    line: Line,
    body: Json | bytes,
    *,
    path: dict[str, str] | None = None,
    repeatable: bool = True,
    remedy: str = _REMEDY,
) -> Json:
    """A request about one record; the document that it is answered with.

    Raises:
        Rejected: Klaviyo says that it is the record's fault; code, detail and pointer are Klaviyo's.
        KlaviyoError: anything else.
    """
    try:
        return line.client.call(operation, path=path or {}, body=body, repeatable=repeatable)
    except Refused as refusal:
        if refusal.status not in _RECORD_AT_FAULT:
            raise
        problem = next(iter(refusal.problems), None)
        code, pointer = (problem.code, problem.pointer) if problem else ("refused", None)
        raise Rejected(Reason(code, str(refusal), remedy, pointer)) from None
