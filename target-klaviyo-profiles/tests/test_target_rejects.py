"""Refused records: where they are kept, what is said of them, and what is never said in a log."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.delivery.rejects import Rejects
from target_klaviyo_profiles.delivery.tally import Tally
from target_klaviyo_profiles.errors import ConfigurationError
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Reason
from target_klaviyo_profiles.settings import DEFAULT_REJECTS_PATH

Json = dict[str, Any]
ADDRESS = "ada.lovelace@mail.example.net"
REASON = Reason("invalid", f"'{ADDRESS}' is not valid", "Correct it.", "/data/0", "JOB1")


def _now() -> datetime:
    return datetime(2026, 11, 1, 12, tzinfo=UTC)


def _lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_which_record_was_refused_why_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    rejects = Rejects(path, _now, personal=True)
    rejects.write("profiles", Key("email", ADDRESS), REASON, record=7, given={"email": ADDRESS})
    rejects.close()
    assert _lines(path) == [
        {
            "stream": "profiles",
            "key": {"email": ADDRESS},
            "record": 7,
            "code": "invalid",
            "detail": f"'{ADDRESS}' is not valid",
            "pointer": "/data/0",
            "remedy": "Correct it.",
            "job": "JOB1",
            "time": "2026-11-01T12:00:00+00:00",
            "given": {"email": ADDRESS},
        }
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_personal_data_is_written_only_where_the_user_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rejects = Rejects(DEFAULT_REJECTS_PATH, _now, personal=False)
    rejects.write("profiles", Key("email", ADDRESS), REASON)
    rejects.write("profiles", Key("external_id", "crm-1"), REASON)
    rejects.close()
    text = DEFAULT_REJECTS_PATH.read_text()
    assert ADDRESS not in text
    assert [line["key"] for line in _lines(DEFAULT_REJECTS_PATH)] == [
        {"email": Key("email", ADDRESS).masked().value},
        {"external_id": "crm-1"},
    ]


def test_a_pointer_to_a_column_that_is_named_like_an_address_is_masked(tmp_path: Path) -> None:
    for personal in (True, False):
        path = tmp_path / f"{personal}.jsonl"
        rejects = Rejects(path, _now, personal=personal)
        rejects.write("profiles", None, Reason("unknown_field", "no such field", "Leave it out.", f"/{ADDRESS}"))
        rejects.close()
        assert (ADDRESS in path.read_text()) == personal
        assert _lines(path)[0]["pointer"].startswith("/")


def test_without_refusals_there_is_no_file(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.jsonl", _now, personal=True)
    rejects.close()
    assert list(tmp_path.iterdir()) == []


def test_runs_append_and_a_line_cut_by_a_full_disk_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    for _ in range(2):
        rejects = Rejects(path, _now, personal=True)
        rejects.write("profiles", None, REASON)
        rejects.close()
    with path.open("a") as file:
        file.write('{"stream": "prof')
    rejects = Rejects(path, _now, personal=True)
    rejects.write("profiles", None, REASON)
    rejects.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    assert json.loads(lines[3])["code"] == "invalid"


def test_many_refusals_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    rejects = Rejects(path, _now, personal=True)
    for number in range(2_500):
        rejects.write("profiles", Key("id", str(number)), REASON)
    assert len(_lines(path)) == 2_000
    rejects.close()
    assert [line["key"]["id"] for line in _lines(path)] == [str(number) for number in range(2_500)]


def test_a_path_that_cannot_be_a_file_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "file.jsonl"):
        with pytest.raises(ConfigurationError, match="rejects_path"):
            Rejects(path, _now, personal=True)


def test_no_log_and_no_error_holds_an_address_or_a_number(
    load: Callable[..., Any], messages: Callable[..., list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identifiers, "_check_email", _accepts_two_at_signs)
    records = [
        {"email": ADDRESS.replace("@", "@@")},  # Klaviyo refuses it, with the request
        {"email": "grace.hopper"},
        {"phone_number": "+1415555267"},
        {"external_id": "katherine@mail.example.net", "properties": []},
        {"email": "margaret@mail.example.net"},
    ]
    run = load(messages(records), on_reject="fail")
    assert len(run.rejects) == 4
    for secret in ("lovelace", "grace", "5555267", "katherine", "margaret"):
        assert secret not in run.log
        assert secret not in str(run.error)
    assert "email sha256:" in run.log


def _accepts_two_at_signs(address: str) -> None:
    if "@" not in address:
        raise identifiers.InvalidIdentifier


def test_the_summary_counts_by_code_and_shows_a_few_keys() -> None:
    tally = Tally(received=1_234, accepted=1_000, unchanged=34, combined=10, jobs=1, requests=3)
    for number in range(190):
        code = "invalid_email" if number % 2 else "too_large"
        tally.reject(Reason(code, "", ""), Key("id", f"P{number}"))
    assert list(tally.summary("profiles", dry=False)) == [
        "profiles: 1,234 received, 1,000 accepted, 34 unchanged, 10 combined, 190 rejected; 1 job, 3 requests",
        "profiles: rejected 95 as too_large: id P0, id P2, id P4, id P6, id P8",
        "profiles: rejected 95 as invalid_email: id P1, id P3, id P5, id P7, id P9",
    ]
