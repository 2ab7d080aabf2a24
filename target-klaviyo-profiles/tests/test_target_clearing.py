"""Nulls: they clear what a setting names, by the call that can, in the order of the records, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox.model.records import GroupKind, Profile
from target_klaviyo_profiles.sinks.options import Options
from target_klaviyo_profiles.sinks.profiles import SINGLE, Profiles

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]
FULL: Json = {
    "external_id": "crm-1",
    "first_name": "Ada",
    "title": "Dr",
    "location": {"city": "Oslo", "zip": "1"},
    "properties": {"kept": 1, "old": 2},
}


def _held(sandbox: Sandbox, external_id: str = "crm-1") -> Profile:
    profile = sandbox.store.profile_by("external_id", external_id)
    assert profile is not None
    return profile


@pytest.fixture
def write(load: Load, messages: Messages) -> Callable[..., Any]:
    return lambda *records, **settings: load(messages(records), **settings)


def test_an_explicit_null_clears_a_field_of_the_setting_and_no_other(sandbox: Sandbox, write: Load) -> None:
    write(FULL)
    nulls = {"external_id": "crm-1", "title": None, "first_name": None, "locale": "da", "unset": ["old"]}
    run = write(nulls, clearable_fields=["title"])
    assert run.error is None
    held = _held(sandbox)
    assert (held.title, held.first_name, held.locale) == (None, "Ada", "da")
    assert held.properties == {"kept": 1}
    assert (held.location or {}).get("city") == "Oslo"
    assert (run.tallies["profiles"].accepted, run.tallies["profiles"].jobs) == (1, 0)


def test_without_the_setting_nothing_is_cleared(sandbox: Sandbox, write: Load) -> None:
    write(FULL)
    write({**dict.fromkeys(FULL), "external_id": "crm-1", "locale": "da"})
    held = _held(sandbox)
    assert (held.title, held.first_name, held.locale) == ("Dr", "Ada", "da")


def test_a_field_that_a_record_does_not_have_is_not_cleared(sandbox: Sandbox, write: Load) -> None:
    write(FULL)
    write({"external_id": "crm-1", "first_name": "Grace"}, clearable_fields=["title", "location"])
    assert (_held(sandbox).title, _held(sandbox).first_name) == ("Dr", "Grace")


@pytest.mark.parametrize("titles", [("Dr", None), (None, "Dr"), ("a", None, "b"), (None, "a", None)])
def test_clearing_and_setting_happen_in_the_order_of_the_records(
    sandbox: Sandbox, write: Load, titles: tuple[str | None, ...]
) -> None:
    write({"external_id": "crm-1", "title": "before"})
    run = write(*({"external_id": "crm-1", "title": title} for title in titles), clearable_fields=["title"])
    assert run.error is None
    assert _held(sandbox).title == titles[-1]


def test_by_id_too_and_the_list_is_joined(sandbox: Sandbox, write: Load) -> None:
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group is not None
    write({**FULL, "external_id": "crm-1"})
    held = _held(sandbox)
    run = write({"id": held.id, "location": None, "list_id": group.id}, clearable_fields=["location"])
    assert run.error is None
    assert not any((_held(sandbox).location or {}).values())
    assert held.id in {member.id for member in sandbox.store.members_of(group.id)}


def test_what_klaviyo_refuses_is_a_reject_of_its_own(write: Load) -> None:
    run = write(
        {"id": "01MISSING", "title": None},
        {"external_id": "crm-1", "title": None, "list_id": "NOLIST"},
        {"external_id": "crm-2", "title": None},
        clearable_fields=["title"],
    )
    assert run.error is None
    assert [each["code"] for each in run.rejects] == ["not_found", "not_found"]
    assert run.tallies["profiles"].accepted == 1


@pytest.mark.parametrize("no_id", [".", ".."])
def test_an_id_that_is_a_path_is_of_nothing(sandbox: Sandbox, write: Load, no_id: str) -> None:
    """A dot would lead to another endpoint, which answers 405 to each run anew."""
    newsletter = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter is not None
    run = write(
        {"id": no_id, "title": None, "list_id": newsletter.id},
        {"external_id": "crm-1", "title": None, "list_id": no_id},
        {"external_id": "crm-2", "title": None},
        clearable_fields=["title"],
    )
    assert run.error is None
    assert run.states == [{"at": "end"}]
    assert [each["code"] for each in run.rejects] == ["not_found", "not_found"]
    assert run.tallies["profiles"].accepted == 1
    assert not [name for name in sandbox.requests if name.endswith((" 404", " 405"))]


def test_a_field_that_cannot_be_cleared_is_a_wrong_setting(write: Load) -> None:
    with pytest.raises(Exception, match="'properties' is not one of"):
        write(FULL, clearable_fields=["properties"])


_TEXT = st.none() | st.text("a@Ø李\u200d \n", min_size=1, max_size=4)
"""Texts of a few characters: to choose among all of Unicode's takes longer than the test."""


@given(
    record=st.fixed_dictionaries(
        {"external_id": st.just("crm-1")},
        optional=dict.fromkeys(("first_name", "title", "email", "locale"), _TEXT),
    ),
    clearable=st.sets(st.sampled_from(["title", "email", "locale"])),
)
def test_null_is_sent_only_for_what_was_null_and_may_be_cleared(record: Json, clearable: set[str]) -> None:
    row = Profiles(Options(clearable_fields=frozenset(clearable))).row(record)
    assert row is not None
    attributes = json.loads(row.payload)["attributes"]
    nulls = {name for name, value in attributes.items() if value is None}
    assert nulls == {name for name in clearable if name in record and record[name] is None}
    assert (row.group.route is SINGLE) == bool(nulls)
