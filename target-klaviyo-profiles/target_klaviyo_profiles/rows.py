"""What sinks and delivery speak of: routes, groups, rows, batches, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import override

from klaviyo_wire.bulk import BulkLimits

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.values import Json

ONE_RECORD = BulkLimits(items=1)
"""The limits of a route that takes one record per request."""

REMEDIES: Mapping[str, str] = {
    "duplicate_profile": "Its identifier belongs to another profile: merge the two in Klaviyo, or use its `id`.",
    "not_found": "The account has no such profile, or no longer: read the ids again, or use another identifier.",
}
"""What a person can do about a row that Klaviyo refused, by Klaviyo's code."""
DEFAULT_REMEDY = "Correct what the detail and the pointer name, then send the record again."

RECORD_AT_FAULT = frozenset({400, 404, 409, 413, 422})
"""HTTP statuses of a refusal that may be the fault of a record in the request."""


@dataclass(frozen=True)
class Reason:
    """Why a record was refused.

    Attributes:
        code: Ours for what is refused before sending, Klaviyo's own otherwise.
        detail: What is wrong with this record.
        remedy: What a person can do about it; one sentence without personal data.
        pointer: JSON pointer to the fault: into the record if `job` is None and nothing was sent, else as
            Klaviyo gave it.
        job: Id of the import job that refused the record.
        sent: What was sent of the record, encoded or as Klaviyo gives it back, where that is at hand.
        anonymous: Whether nothing of the record may be shown, whatever the settings allow. Such a refusal is as
            it is wished, and no failure of a run.
        in_part: Whether all else that the record says is written: such a refusal is told, and fails no run.
    """

    code: str
    detail: str
    remedy: str
    pointer: str | None = None
    job: str | None = None
    sent: object = field(default=None, compare=False, repr=False)
    anonymous: bool = False
    in_part: bool = False


class Rejected(Exception):  # noqa: N818 - it says what happened to the record
    """The record cannot be written, or not all of it: then its reason is `in_part`, else nothing of it is sent."""

    def __init__(self, reason: Reason, key: Key | None = None) -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.key = key


class Unsettled(Exception):  # noqa: N818 - it says what happened to the record
    """Klaviyo may or may not have taken the record, or does not tell what is to be known before it is sent.

    The message says what is not known.
    """


@dataclass(frozen=True, eq=False)
class Route:
    """A way for rows to reach Klaviyo, one record per request. Made once per sink, and compared by identity.

    Attributes:
        operation: Key of the operation that writes, in `klaviyo_wire.endpoints`.
        limits: What one of its requests may hold.
    """

    operation: str
    limits: BulkLimits

    def operations(self) -> tuple[str, ...]:
        """Every operation that is called for rows of this route."""
        return (self.operation,)


@dataclass(frozen=True)
class ErrorsEndpoint:
    """The errors of a job are a paged listing of their own: resources whose attributes are the errors.

    `operation` lists them; its path parameter is `id` or `job_id`.
    """

    operation: str


@dataclass(frozen=True)
class ErrorsAttribute:
    """The errors of a job stand in an attribute of the job itself: an array, or null.

    So it is with the bulk jobs of catalogs and coupon codes (`APIJobErrorPayload` of Klaviyo's OpenAPI document).
    """

    name: str = "errors"


@dataclass(frozen=True, eq=False)
class BulkRoute(Route):
    """A route of many rows per request.

    Attributes:
        status: Operation that reads the job that the request becomes (path parameter `job_id` or `id`); None where
            the request is accepted (202, 204) and nothing more is ever known.
        errors: Where the job says which rows it refused; None where it does not say. An error is joined to its row
            by `original_payload`, if it has one (`BulkSink.keys_of`), else by `source.pointer`.
        listing: Operation that lists jobs, by which a job is found whose submission was not answered; None where
            there is none, or where submitting again does no harm even if the first job runs late.
        finds_rows: Whether the request looks up what its rows name, so that 404 may be about one row; otherwise
            404 is about what the group shares.
        repeatable: False where a repeated request does something else: it is sent once, and when its answer is
            lost its rows are unsettled.
    """

    status: str | None = None
    errors: ErrorsEndpoint | ErrorsAttribute | None = None
    listing: str | None = None
    finds_rows: bool = False
    repeatable: bool = True

    @override
    def operations(self) -> tuple[str, ...]:
        errors = self.errors.operation if isinstance(self.errors, ErrorsEndpoint) else None
        return tuple(each for each in (self.operation, self.status, errors, self.listing) if each)


class Group(NamedTuple):
    """What the rows of one request share: the route, and what stands there once (a list's id, a source)."""

    route: Route
    shared: tuple[str | None, ...] = ()

    def __str__(self) -> str:
        return ", ".join(each for each in self.shared if each)


class Resource(NamedTuple):
    """A record as Klaviyo takes it, and the group of rows that it may share a request with."""

    body: Json
    group: Group


class Row(NamedTuple):
    """A resource, encoded, on its way into a batch."""

    key: Key
    group: Group
    payload: bytes


@dataclass
class Batch:
    """Rows of one group that are sent together.

    Attributes:
        group: What they share.
        keys: Whom or what they are about.
        payloads: The rows, encoded; emptied once Klaviyo has them.
        since: Epoch of the first record in it: the number of STATE messages that came before that record.
        until: Epoch in which it was sent.
    """

    group: Group
    keys: list[Key]
    payloads: list[bytes]
    since: int = 0
    until: int = 0


@dataclass
class Outcome:
    """What became of a batch; a key in none of the collections was accepted.

    Attributes:
        rejected: Refused rows.
        unnamed: Failures that Klaviyo counts without saying which row; that many of the accepted rows failed.
        unsettled: Rows that Klaviyo may or may not have taken, and why that is not known.
        unchanged: Rows that Klaviyo already held as they are.
        jobs: Number of jobs that Klaviyo accepted.
        open: Those of them that are to be polled: they decide about the rows in them.
        entries: The ledger's entries of the batch.
    """

    rejected: dict[Key, Reason] = field(default_factory=dict)
    unnamed: list[Reason] = field(default_factory=list)
    unsettled: dict[Key, str] = field(default_factory=dict)
    unchanged: set[Key] = field(default_factory=set)
    jobs: int = 0
    open: list[OpenJob] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)

    def decided(self, key: Key) -> bool:
        """Whether the row of the key is refused, unchanged or unsettled already."""
        return key in self.rejected or key in self.unchanged or key in self.unsettled


@dataclass(frozen=True)
class OpenJob:
    """A job that Klaviyo has accepted and not ended.

    Attributes:
        id: Klaviyo's id of it.
        group: What its rows share.
        keys: Its rows, in the order they were sent.
        accepted_at: When it was accepted, in monotonic seconds.
        known_as: The form in which `keys` hold a key: the key itself, or its hash where the ledger is all that is
            left of the rows.
    """

    id: str
    group: Group
    keys: Sequence[Key]
    accepted_at: float
    known_as: Callable[[Key], Key] = lambda key: key


def bulk_route(group: Group) -> BulkRoute:
    """The group's route, which has to be one of many rows per request."""
    assert isinstance(group.route, BulkRoute)  # noqa: S101 - only a sink's bulk batches come here
    return group.route


def klaviyos_reason(
    code: str, detail: str, pointer: str | None, *, job: str | None = None, sent: object = None
) -> Reason:
    """Why Klaviyo refused a row, with what a person can do about it."""
    return Reason(code, detail, REMEDIES.get(code, DEFAULT_REMEDY), pointer, job, sent)
