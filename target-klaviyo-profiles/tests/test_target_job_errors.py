"""Jobs whose errors stand in an attribute of the job: each finds its row, from the record to the rejects file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from typing_extensions import override

from klaviyo_wire.bulk import BulkLimits
from target_klaviyo_profiles.delivery.account import AccountCheck
from target_klaviyo_profiles.delivery.context import DeliveryContext
from target_klaviyo_profiles.delivery.coordinator import Coordinator
from target_klaviyo_profiles.delivery.ledger import Ledger
from target_klaviyo_profiles.delivery.rejects import Rejects
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import BulkRoute, ErrorsAttribute, ErrorsEndpoint, Group, Resource, Route
from target_klaviyo_profiles.sinks.bulk_sink import ROWS, BulkSink

if TYPE_CHECKING:
    from klaviyo_wire.errors import Problem

Json = dict[str, Any]
STATUS = "get_bulk_create_catalog_items_job"
CREATE = BulkRoute("bulk_create_catalog_items", BulkLimits(items=100), status=STATUS, errors=ErrorsAttribute())


class CatalogItems(BulkSink):
    """A sink of a bulk job as Klaviyo's OpenAPI document describes it, declared and nothing more."""

    stream: ClassVar[str] = "catalog_items"
    routes: ClassVar[tuple[Route, ...]] = (CREATE,)
    fields: ClassVar[tuple[Field, ...]] = (
        Field("external_id", Kind.TEXT, "Your own id of the item", required=True),
        Field("title", Kind.TEXT, "Its title", required=True),
    )

    @override
    def identify(self, record: Json) -> Key:
        return Key("external_id", record["external_id"])

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        return Resource({"type": "catalog-item", "attributes": record}, Group(CREATE))

    @override
    def envelope(self, group: Group) -> Json:
        return {"data": {"type": "catalog-item-bulk-create-job", "attributes": {"items": {"data": ROWS}}}}

    @override
    def already_held(self, problem: Problem) -> bool:
        return problem.code == "held"


@dataclass
class Klaviyo:
    """Answers a job with these attributes at each look, the last ones for good.

    `APIJobErrorPayload`: `id`, `code`, `title`, `detail`, `source`; there is no `original_payload`.
    """

    answers: list[Json]
    requests: int = 0
    sent: list[Json] = field(default_factory=list)

    def call(self, operation: str, *, path: Mapping[str, str] | None = None, **options: Any) -> Json:  # noqa: ANN401
        if operation == "get_accounts":
            return {"data": [{"type": "account", "id": "AbC123"}]}
        self.requests += 1
        if operation == CREATE.operation:
            self.sent.append(json.loads(options["body"]))
            attributes: Json = {"status": "queued", "errors": None}
        else:
            assert path is not None
            assert (operation, path["job_id"]) == (STATUS, "JOB")
            attributes = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {"data": {"type": "catalog-item-bulk-create-job", "id": "JOB", "attributes": attributes}}

    def pages(self, operation: str, **_: object) -> Iterator[Json]:
        raise AssertionError(operation)

    def remaining(self, operation: str) -> tuple[int, int]:
        assert operation == STATUS
        return 750, 750


class Clock:
    """Time that passes only while it is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _error(row: int, code: str = "invalid") -> Json:
    return {
        "id": f"e{row}",
        "code": code,
        "title": "Invalid input",
        "detail": f"item {row} is not good",
        "source": {"pointer": f"/data/attributes/items/data/{row}/attributes/title"},
    }


def _job(*errors: Json, failed: int | None = None, status: str = "complete") -> Json:
    count = len(errors) if failed is None else failed
    return {"status": status, "failed_count": count, "errors": list(errors) or None}


@dataclass
class Run:
    coordinator: Coordinator
    states: list[object]
    rejects: Path
    clock: Clock

    def rejected(self) -> list[tuple[object, str, str | None, str | None]]:
        if not self.rejects.exists():
            return []
        lines = map(json.loads, self.rejects.read_text().splitlines())
        return [(each["key"], each["code"], each["pointer"], each["job"]) for each in lines]


def _run(klaviyo: Klaviyo, folder: Path) -> Run:
    """Three items through everything between a record and STATE."""
    clock = Clock()

    def now() -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)

    ledger = Ledger(None, "pk_x", now)

    def new_context() -> DeliveryContext:
        return DeliveryContext(
            client=cast("Any", klaviyo), clock=clock, sleep=clock.sleep, now=now, job_timeout=60, ledger=ledger
        )

    states: list[object] = []
    rejects = folder / "rejects.jsonl"
    account = AccountCheck(cast("Any", klaviyo), None, ledger, lambda _: None)
    coordinator = Coordinator(
        [CatalogItems()],
        new_context,
        Rejects(rejects, now, personal=True),
        account,
        concurrency=4,
        emit=states.append,
    )
    batcher = coordinator.batcher("catalog_items")
    for number in range(3):
        batcher.put({"external_id": f"sku-{number}", "title": str(number)})
    coordinator.state("end")
    coordinator.settle()
    assert [len(each["data"]["attributes"]["items"]["data"]) for each in klaviyo.sent] == [3]
    return Run(coordinator, states, rejects, clock)


def _pointer(row: int) -> str:
    return f"/data/attributes/items/data/{row}/attributes/title"


@pytest.mark.parametrize(
    ("jobs", "refused"),
    [
        ([_job()], []),
        ([_job(_error(1))], [("sku-1", "invalid")]),
        ([_job(_error(2, "duplicate"), _error(0))], [("sku-2", "duplicate"), ("sku-0", "invalid")]),
        # Of a job that is not complete nothing is believed yet.
        ([_job(_error(0), status="processing"), _job(_error(2))], [("sku-2", "invalid")]),
        # Errors may come after the count.
        ([_job(failed=1), _job(_error(1))], [("sku-1", "invalid")]),
    ],
)
def test_errors_in_the_job_are_joined_to_their_records(
    jobs: list[Json], refused: list[tuple[str, str]], tmp_path: Path
) -> None:
    """The job looks so at each look, and at last as in the last of them."""
    run = _run(Klaviyo(list(jobs)), tmp_path)
    rows = {f"sku-{number}": number for number in range(3)}
    assert run.rejected() == [({"external_id": name}, code, _pointer(rows[name]), "JOB") for name, code in refused]
    tally = run.coordinator.tallies["catalog_items"]
    assert (tally.accepted, tally.jobs, tally.unsettled.total()) == (3 - len(refused), 1, 0)
    assert run.states == ["end"]


def test_a_row_that_klaviyo_has_already_is_unchanged(tmp_path: Path) -> None:
    run = _run(Klaviyo([_job(_error(0, "held"), _error(1))]), tmp_path)
    assert run.rejected() == [({"external_id": "sku-1"}, "invalid", _pointer(1), "JOB")]
    tally = run.coordinator.tallies["catalog_items"]
    assert (tally.accepted, tally.unchanged, tally.unsettled.total()) == (1, 1, 0)
    assert run.states == ["end"]


def test_what_the_job_counts_and_never_names_is_an_unnamed_failure(tmp_path: Path) -> None:
    run = _run(Klaviyo([_job(_error(0), failed=2)]), tmp_path)
    assert run.rejected() == [
        ({"external_id": "sku-0"}, "invalid", _pointer(0), "JOB"),
        (None, "unnamed_failure", None, "JOB"),
    ]
    assert run.clock.now == 1 + 2 + 10


@pytest.mark.parametrize("pointer", [None, "/data", _pointer(7), "items/0"])
def test_an_error_that_points_to_no_row_is_told_without_a_key(pointer: str | None, tmp_path: Path) -> None:
    run = _run(Klaviyo([_job({**_error(0), "source": {"pointer": pointer}})]), tmp_path)
    assert run.rejected() == [(None, "invalid", pointer, "JOB")]
    assert run.coordinator.tallies["catalog_items"].accepted == 2


def test_only_an_endpoint_of_errors_is_an_operation() -> None:
    assert CREATE.operations() == ("bulk_create_catalog_items", STATUS)
    paged = BulkRoute("x", CREATE.limits, status="y", errors=ErrorsEndpoint("z"))
    assert paged.operations() == ("x", "y", "z")


def test_the_attribute_is_where_klaviyo_describes_it(reference: Path) -> None:
    document = json.loads((reference / "reference/openapi/stable-2026-07-15.json").read_text())["components"]
    schemas = document["schemas"]
    errors = schemas["CatalogItemCreateJobResponseObjectResource"]["properties"]["attributes"]["properties"]
    assert errors[ErrorsAttribute().name]["items"] == {"$ref": "#/components/schemas/APIJobErrorPayload"}
    assert set(_error(0)) == set(schemas["APIJobErrorPayload"]["properties"])
