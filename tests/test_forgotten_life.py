"""The life of a person who asks to be forgotten, through every program that has a part in it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from subject_requests.cli import main
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

Json = dict[str, Any]
KEY = "a key that no test would guess, of 32"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(
        profiles=20, events=200, segments=1, rate_limits="off", import_seconds=0, settle_seconds=0
    ) as held:
        yield held


@pytest.fixture
def request_of(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    given = {
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "forgotten_path": tmp_path / "forgotten.txt",
        "forgotten_key": KEY,
        "log_path": tmp_path / "log.jsonl",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"SUBJECT_REQUESTS_{name.upper()}", str(value))

    def request_of(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["subject-requests", *words])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main()
        assert status != 1, err.getvalue()
        return status, out.getvalue()

    return request_of


@pytest.fixture
def write(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Json]:
    """Have the target write records of a stream; what became of them."""
    (tmp_path / "forgotten.txt").touch(mode=0o600)

    def write(stream: str, *records: Json) -> Json:
        names = sorted({name for record in records for name in record})
        lines: list[Json] = [
            {"type": "SCHEMA", "stream": stream, "schema": {"properties": {name: {} for name in names}}},
            *({"type": "RECORD", "stream": stream, "record": record} for record in records),
        ]
        lines[0]["key_properties"] = []
        target = TargetKlaviyoProfiles(
            config={
                "api_key": sandbox.api_key,
                "api_url": sandbox.url,
                "allow_deletions": True,
                "rejects_path": str(tmp_path / "rejects.jsonl"),
                "forgotten_path": str(tmp_path / "forgotten.txt"),
                "forgotten_key": KEY,
            }
        )
        with redirect_stdout(io.StringIO()):
            target.listen(io.StringIO("\n".join(map(json.dumps, lines))))
        sandbox.settle()
        tally = target.coordinator.tallies[stream]
        return {"accepted": tally.accepted, "withheld": tally.withheld.total()}

    return write


def test_who_was_forgotten_comes_back_by_their_own_word_alone(
    sandbox: Sandbox,
    request_of: Callable[..., tuple[int, str]],
    write: Callable[..., Json],
    tmp_path: Path,
) -> None:
    key, email, own = next(
        row for row in sandbox.store.read("select id, email, external_id from profiles") if row[1] and row[2]
    )

    def there() -> int:
        return len(sandbox.store.read("select id from profiles where email = ?", [email]))

    # They ask what is held of them, and to be forgotten: listed first, then deleted, then looked for.
    assert request_of("export", "--email", email, "--out", str(tmp_path / "package"))[0] == 0
    assert json.loads((tmp_path / "package" / "manifest.json").read_text())["profiles"] == [key]
    request_of("forget", "--email", email, "--because", "request 1")
    assert request_of("verify", "--email", email)[0] == 4
    assert write("profile_deletions", {"email": email}) == {"accepted": 1, "withheld": 0}
    status, told = request_of("verify", "--email", email, "--profile-id", key, "--json")
    assert (status, json.loads(told)["state"]) == (3, "unseen")
    yesterday = (datetime.now(UTC) - timedelta(days=1, minutes=1)).isoformat()
    assert request_of("verify", "--email", email, "--profile-id", key, "--unseen-at", yesterday)[0] == 0

    # Old rows come again, by whatever name: nothing of them is written.
    assert write("profiles", {"email": email.upper()}, {"external_id": own}) == {"accepted": 0, "withheld": 2}
    event = {"metric": "Placed Order", "external_id": own, "time": "2026-10-01T12:00:00Z"}
    assert write("events", event) == {"accepted": 0, "withheld": 1}
    consent = {"channel": "email", "consent": "SUBSCRIBED", "email": email}
    assert write("subscriptions", consent) == {"accepted": 0, "withheld": 1}
    assert there() == 0

    # Elsewhere somebody imports them: seen, and deleted again, though they are on the list.
    listed = (tmp_path / "forgotten.txt").read_text()
    (tmp_path / "forgotten.txt").write_text("")
    write("profiles", {"email": email})
    (tmp_path / "forgotten.txt").write_text(listed)
    assert there() == 1
    assert request_of("verify", "--email", email, "--unseen-at", yesterday)[0] == 4
    assert write("profile_deletions", {"email": email}) == {"accepted": 1, "withheld": 0}
    assert there() == 0

    # They consent anew: from then on they are somebody like any other.
    request_of("unforget", "--email", email, "--because", "statement 7")
    assert write("profiles", {"email": email}) == {"accepted": 1, "withheld": 0}
    assert there() == 1
    # By what was not taken off the list they are still not known.
    assert write("profiles", {"external_id": own}) == {"accepted": 0, "withheld": 1}
    status, told = request_of("log", "verify")
    assert (status, told.split()[0]) == (0, "7")
    assert email not in (tmp_path / "log.jsonl").read_text() + (tmp_path / "rejects.jsonl").read_text()
