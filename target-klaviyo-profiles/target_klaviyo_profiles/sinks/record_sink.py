"""The base class of sinks that write record by record: with one request each, or with the few that one takes."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from typing_extensions import override

from klaviyo_wire.errors import NotFound, Refused
from target_klaviyo_profiles.rows import DEFAULT_REMEDY, RECORD_AT_FAULT, Reason, Rejected
from target_klaviyo_profiles.sinks.base import Sink

if TYPE_CHECKING:
    from target_klaviyo_profiles.rows import Group, Row
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json


class RecordSink(Sink):
    """A sink that has a `Route` of one record per request: its limits are `ONE_RECORD`.

    A run that is killed does not know which of these rows were written, and the next one writes them again: so
    `write` must do no harm when it is called again, in a later run, for a record that was written.
    """

    @abstractmethod
    def write(self, row: Row, context: SinkContext) -> bool:
        """Write one record; False when Klaviyo holds it already.

        Called on the delivery's thread.

        Raises:
            Rejected: Klaviyo does not take it; see `record_call`.
            Unsettled: it is not known whether Klaviyo took it.
            KlaviyoError: nothing more can be written to this stream, or to Klaviyo at all.
        """

    @override
    def envelope_size(self, group: Group) -> int:
        return len(b'{"data":}')


def record_call(  # noqa: PLR0913 - those of `Client.call`, and the remedy
    operation: str,
    context: SinkContext,
    body: Json | bytes | None,
    *,
    path: dict[str, str] | None = None,
    repeatable: bool = True,
    remedy: str = DEFAULT_REMEDY,
) -> Json:
    """A request about one record; the document that it is answered with.

    Raises:
        Rejected: Klaviyo says that it is the record's fault; code, detail and pointer are Klaviyo's, if it tells.
        KlaviyoError: anything else.
    """
    try:
        return context.client.call(operation, path=path or {}, body=body, repeatable=repeatable)
    except Refused as refusal:
        if refusal.status not in RECORD_AT_FAULT:
            raise
        problem = next(iter(refusal.problems), None)
        untold = "not_found" if isinstance(refusal, NotFound) else "refused"
        code, pointer = (problem.code, problem.pointer) if problem else (untold, None)
        raise Rejected(Reason(code, str(refusal), remedy, pointer)) from None
