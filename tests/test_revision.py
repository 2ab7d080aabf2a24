"""The comparison of two revisions, with models made up here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional, Union

from pydantic import BaseModel, Field

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

from revision import COMMON, Change, Sdk, changes, readers, report  # noqa: E402
from sdk_model import describe  # noqa: E402

OLD: Sdk = {
    "get_things": {
        "limits": {"burst": "10/s"},
        "filters": {"id": "any, equals", "name": "contains"},
        "parameters": {"filter": "required", "page_size": "default 20, 1 to 100"},
        "answer": {"data": "object", "data.id": "str", "data.attributes": "object", "data.attributes.name": "str"},
    },
    "get_gone": {},
    "get_same": {"limits": {"burst": "1/s"}},
}
NEW: Sdk = {
    "get_things": {
        "limits": {"burst": "75/s"},
        "filters": {"id": "any, equals, contains", "name": "contains"},
        "parameters": {"filter": "optional", "page_size": "default 20, 1 to 100"},
        "answer": {"data": "object", "data.id": "str", "data.parts": "object", "data.parts.deep": "str"},
    },
    "get_new": {},
    "get_same": {"limits": {"burst": "1/s"}},
}


def test_what_is_added_removed_and_changed_is_told_once_at_its_top() -> None:
    assert [change.told for change in changes(OLD, NEW, "get_things")] == [
        "- answer: data.attributes (object)",
        "+ answer: data.parts (object)",
        "~ filters: id: +contains",
        "~ limits: burst: 10/s → 75/s",
        "~ parameters: filter: required → optional",
    ]
    assert changes(OLD, OLD, "get_things") == []


def test_the_list_is_by_operation_with_its_readers_and_stable() -> None:
    asked = ["get_things", "get_new", "get_same", "get_gone", "get_nowhere", "get_things"]
    told = list(report(OLD, NEW, asked, {"get_things": ["things", "parts", "things"]}))
    assert [each.splitlines()[0] for each in told] == [
        "get_gone",
        "get_new",
        "get_nowhere",
        "get_things (read by parts, things)",
        "unchanged: get_same",
    ]
    assert told[0].endswith("- the operation is gone")
    assert told[1].endswith("+ the operation is new")
    assert told[2].endswith("? neither version has it")
    assert told == list(report(OLD, NEW, reversed(asked), {"get_things": ["parts", "things"]}))


def test_what_changed_everywhere_is_told_once() -> None:
    names = [f"get_{number:02}" for number in range(COMMON)]
    before: Sdk = {name: {"answer": {}} for name in names}
    after: Sdk = {name: {"answer": {"meta": "object"}} for name in names}
    assert list(report(before, after, names, {})) == [
        f"{COMMON} operations\n  + answer: meta (object)",
        "unchanged: none",
    ]


def test_a_list_of_choices_is_told_by_what_differs() -> None:
    change = Change("body", "channel", "str of email, sms", "str of email, push, sms")
    assert change.told == "~ body: channel: +push"


class _Attributes(BaseModel):
    at: Annotated[str | None, Field(alias="datetime")] = None
    kind: str = ""

    def kind_validate_enum(self) -> None:
        """As the SDK has it."""
        assert self.kind in set(["a", "b"])  # noqa: C405


class _Resource(BaseModel):
    id: str
    attributes: Optional[_Attributes] = None  # noqa: UP045 - as the SDK writes it
    children: list[_Resource] = []


class _Document(BaseModel):
    data: list[_Resource]


class _Query(BaseModel):
    wanted: Union[int, None] = None  # noqa: UP007


def _get_things(
    self: object,
    query: _Query,
    page_size: int | None = None,
    filter: str | None = None,  # noqa: A002
    _headers: object = None,
    options: object = None,
) -> Union[_Document, dict[str, object]]:  # noqa: UP007
    """Get Things

    All things  Requests can be sorted by the following fields: `created`, `id`<br>*Rate limits*:<br>
    Burst: `3/s`<br>Steady: `60/m`  **Scopes:** `things:read` `lists:read`  [OpenAPI Spec](x)

    :param query: (required)
    :type query: Query
    :param page_size: Default: 20. Min: 1. Max: 100.
    :type page_size: int
    :param filter: Allowed field(s)/operator(s):<br>`id`: `any`, `equals`<br>`name`: `contains`
    :type filter: str
    """
    raise NotImplementedError


def test_an_operation_is_described_by_its_text_and_its_models() -> None:
    told = describe(_get_things)
    assert told["limits"] == {"burst": "3/s", "steady": "60/m"}
    assert told["scopes"] == {"lists:read": "needed", "things:read": "needed"}
    assert told["sort"] == {"created": "offered", "id": "offered"}
    assert told["parameters"] == {"filter": "optional", "page_size": "default 20, 1 to 100"}
    assert told["filters"] == {"id": "any, equals", "name": "contains"}
    assert told["body"] == {"wanted": "int"}
    answer = told["answer"]
    assert answer["data.attributes.datetime"] == "str"
    assert answer["data.attributes.kind"] == "str of a, b"
    assert answer["data.children.children.id"] == "str", "what holds itself is followed, and not for ever"


def test_every_operation_of_the_tap_has_its_readers() -> None:
    found = readers()
    assert "events" in found["get_events"]
    assert "list_memberships" in found["get_profiles_for_list"]
