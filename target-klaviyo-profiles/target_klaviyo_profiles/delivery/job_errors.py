"""What a job refused: its errors, wherever the route says they stand, joined to the rows that were sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from klaviyo_wire import jsonapi
from klaviyo_wire.errors import Problem, Retriable
from target_klaviyo_profiles.rows import ErrorsAttribute, ErrorsEndpoint, bulk_route, klaviyos_reason

if TYPE_CHECKING:
    from target_klaviyo_profiles.client import StreamClient
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rows import OpenJob, Reason
    from target_klaviyo_profiles.sinks.bulk_sink import BulkSink
    from target_klaviyo_profiles.values import Json


@dataclass(frozen=True)
class Refusals:
    """What a job says of the rows that it did not write.

    Attributes:
        rejected: Why, by the row's key.
        held: Keys of rows that Klaviyo has already.
        unnamed: Errors that are about none of its rows.
    """

    rejected: dict[Key, Reason] = field(default_factory=dict)
    held: set[Key] = field(default_factory=set)
    unnamed: list[Reason] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many failures of the job are told of."""
        return len(self.rejected) + len(self.held) + len(self.unnamed)


def path_of(job: OpenJob) -> dict[str, str]:
    """The path parameters of the operations about a job; some operations call its id `id`, others `job_id`."""
    return {"id": job.id, "job_id": job.id}


def refusals(sink: BulkSink, job: OpenJob, attributes: Json, client: StreamClient) -> Refusals:
    """What a job refused, by its errors.

    Args:
        sink: Whose job it is.
        job: The job.
        attributes: Those of the job's resource, as Klaviyo last gave them.
        client: Reads the errors, where they have an endpoint of their own.

    Raises:
        KlaviyoError: the errors cannot be read.
    """
    found = Refusals()
    waiting = set(job.keys)
    for error in _errors(job, attributes, client):
        source = error.get("source")
        pointer = _text(source, "pointer") or None
        problem = Problem(
            _text(error, "code") or "unknown", _text(error, "title"), _text(error, "detail"), pointer
        )
        detail, sent = problem.detail or problem.title, error.get("original_payload")
        reason = klaviyos_reason(problem.code, detail, pointer, job=job.id, sent=sent)
        key = row_of(sink, job, sent, pointer, waiting)
        if key is None:
            found.unnamed.append(reason)
        elif sink.already_held(problem):
            found.held.add(key)
        else:
            found.rejected.setdefault(key, reason)
    return found


def row_of(sink: BulkSink, job: OpenJob, sent: object, pointer: str | None, waiting: set[Key]) -> Key | None:
    """The row an error is about: by the payload that Klaviyo gives back, else by the position it points to."""
    if isinstance(sent, Mapping):
        for key in sink.keys_of(sent):
            if (known := job.known_as(key)) in waiting:
                return known
    position = sink.position(job.group, pointer)
    return job.keys[position] if position is not None and position < len(job.keys) else None


def _text(held: object, name: str) -> str:
    """A text of an error; what is none tells nothing."""
    value = held.get(name) if isinstance(held, Mapping) else None
    return value if isinstance(value, str) else ""


def _errors(job: OpenJob, attributes: Json, client: StreamClient) -> Iterator[Json]:
    for error in _listed(job, attributes, client):
        if not isinstance(error, dict):
            msg = "Klaviyo did not tell which rows it refused"
            raise Retriable(msg)
        yield error


def _listed(job: OpenJob, attributes: Json, client: StreamClient) -> Iterator[object]:
    match bulk_route(job.group).errors:
        case ErrorsAttribute(name):
            listed = attributes.get(name) or []
            yield from listed if isinstance(listed, list) else [listed]
        case ErrorsEndpoint(operation):
            for page in client.pages(operation, path=path_of(job), params={"page[size]": "100"}):
                resources: list[object] = list(jsonapi.resources(page))
                for error in resources:
                    yield error.get("attributes") if isinstance(error, dict) else error
