"""Awkward input of the streams beside profiles, a file each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.model.records import Group, GroupKind, Profile, Template

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
FILES = Path(__file__).parent / "data_files" / "other_streams"

# By file, of each stream: records accepted, unchanged and combined, and those refused, by code.
SITUATIONS: dict[str, dict[str, tuple[int, int, int, dict[str, int]]]] = {
    "assignments_to_nothing": {
        "campaign_message_templates": (0, 0, 0, {"not_found": 1, "no_template": 1, "missing_field": 2})
    },
    "deletions_of_somebody_unclear": {
        "profile_deletions": (
            2,
            1,
            0,
            {"several_identifiers": 1, "no_identifier": 1, "invalid_email": 1, "invalid_phone_number": 1},
        )
    },
    "events_camelcase_and_unicode": {"events": (1, 0, 0, {})},
    "events_klaviyo_would_drop_or_refuse": {
        "events": (
            1,
            0,
            0,
            {
                "dropped_silently": 2,
                "missing_field": 2,
                "too_large": 4,
                "time_out_of_range": 2,
                "invalid_value": 5,
                "no_identifier": 1,
                "invalid_phone_number": 1,
            },
        )
    },
    "events_of_one_second": {"events": (5, 0, 2, {})},
    "events_repeated": {"events": (4, 0, 2, {})},
    "members_back_and_forth": {"list_members": (7, 0, 0, {})},
    "members_malformed": {"list_members": (1, 0, 0, {"missing_field": 4, "invalid_value": 1, "not_found": 3})},
    "streams_interleaved": {
        "profiles": (1, 0, 1, {}),
        "events": (2, 0, 0, {}),
        "list_members": (2, 0, 0, {}),
        "suppressions": (1, 0, 0, {}),
    },
    "subscriptions_malformed": {
        "subscriptions": (
            1,
            0,
            0,
            {
                "invalid_value": 2,
                "missing_field": 2,
                "no_identifier": 2,
                "invalid_email": 1,
                "invalid_phone_number": 1,
                "contradiction": 2,
                "time_out_of_range": 1,
                "not_possible": 1,
                "not_found": 1,
                "not_on_list": 1,
            },
        )
    },
    # The opt-out takes the place of all that was said before it; the last one says that again.
    "subscriptions_over_and_over": {"subscriptions": (2, 0, 3, {"opted_out": 1})},
    "suppressions_back_and_forth": {
        "suppressions": (5, 0, 0, {"invalid_email": 1, "missing_field": 1, "invalid_value": 1})
    },
}


def test_every_situation_has_a_file_and_every_file_a_situation() -> None:
    assert {path.stem for path in FILES.glob("*.singer")} == SITUATIONS.keys()


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(name: str, sandbox: Sandbox, load: Callable[..., Any]) -> None:
    sandbox.store.put(Group(id="LIST01", kind=GroupKind.LIST, name="News", created=0, updated=0))
    for who in ("P1", "P2"):
        sandbox.store.put_profile(Profile(id=who, email=f"{who.lower()}@mail.example.net", created=0, updated=0))
    html = "<p>x</p>"
    sandbox.store.put(Template(id="TPL001", name="spring", editor_type="CODE", html=html, created=0, updated=0))
    lines = (FILES / f"{name}.singer").read_text(encoding="utf-8").strip().split("\n")
    run = load(lines, allow_deletions=True)
    good = sum(tally.accepted + tally.unchanged + tally.combined for tally in run.tallies.values())
    assert str(run.error or "").endswith("" if good else "so the run has written nothing")
    assert bool(run.error) is not bool(good)
    told = {
        stream: (tally.accepted, tally.unchanged, tally.combined, dict(tally.rejected))
        for stream, tally in run.tallies.items()
    }
    assert told == SITUATIONS[name]
    assert len(run.rejects) == sum(tally.rejected.total() for tally in run.tallies.values())
    assert all(each["remedy"] and each["detail"] for each in run.rejects)
    last = json.loads(next(line for line in reversed(lines) if '"STATE"' in line))
    assert run.states[-1:] == [last["value"]]
    sandbox.settle()
    assert sandbox.event_ingest.stats.total() == sandbox.event_ingest.dropped.total() == 0
    assert sandbox.consents.stats["opt_outs_lifted"] == 0
    assert sandbox.consents.stats["unsubscribed_everywhere_by_a_list"] == 0
