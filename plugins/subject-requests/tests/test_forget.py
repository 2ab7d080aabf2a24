"""The lists of people are kept whole, whoever writes to them and whatever ends the program."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from singer_program.errors import ProgramError
from singer_program.identifiers import KINDS, compared
from singer_program.people_list import line_of, read_list
from subject_requests.people_file import PeopleFile

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Runs = Callable[..., Any]
KEY = "a key that no test would guess, of 32"
BECAUSE = ("--because", "request r-1")


@pytest.fixture
def given(tmp_path: Path) -> dict[str, object]:
    return {"forgotten_key": KEY, "forgotten_path": tmp_path / "forgotten.txt"}


def _lines(path: Path) -> set[str]:
    return {*path.read_text().split()}


def test_somebody_is_listed_by_all_that_their_profile_has_and_taken_off_again(
    sandbox: Sandbox, run: Runs, given: dict[str, object], tmp_path: Path
) -> None:
    key, email, number, own = next(
        row
        for row in sandbox.store.read("select id, email, phone_number, external_id from profiles")
        if all(row[:3])
    )
    path = tmp_path / "forgotten.txt"
    done = run("forget", "--email", str(email).upper(), *BECAUSE, **given)
    assert done.status == 0, done.err
    has = {kind: value for kind, value in zip(KINDS, (key, email, number, own), strict=True) if value}
    theirs = {line_of(KEY, compared(kind, value)) for kind, value in has.items()}
    assert _lines(path) == theirs
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(read_list(path, "forgotten_path")) == len(theirs)
    assert run("forget", "--email", email, *BECAUSE, **given).out.startswith("0 of ")
    assert _lines(path) == theirs

    assert run("forget", "--email", "other@mail.example.net", "--only-given", *BECAUSE, **given).status == 0
    words = ("--email", email, "--profile-id", key, "--phone-number", number)
    taken = run(
        "unforget", *words, *(("--external-id", own) if own else ()), "--because", "statement s-2", **given
    )
    assert taken.status == 0, taken.err
    assert _lines(path) == {line_of(KEY, compared("email", "other@mail.example.net"))}
    log = [json.loads(line) for line in (tmp_path / "forgotten.txt.log").read_text().splitlines()]
    assert [(each["did"], each["source"], each["count"], each["because"]) for each in log] == [
        ("listed", "forgotten", len(theirs), "request r-1"),
        ("listed", "forgotten", 0, "request r-1"),
        ("listed", "forgotten", 1, "request r-1"),
        ("taken off", "forgotten", len(theirs), "statement s-2"),
    ]
    assert {each[:16] for each in theirs} == {*log[0]["people"]}
    assert str(email) not in (tmp_path / "forgotten.txt.log").read_text()


def test_the_other_list(run: Runs, given: dict[str, object], tmp_path: Path) -> None:
    words = ("--list", "restricted", "--email", "a@b.example", "--only-given", *BECAUSE)
    missing = run("forget", *words, **given)
    assert missing.status == 1
    assert "`restricted_path` and `forgotten_key` are needed" in missing.err
    assert run("forget", *words, **given, restricted_path=tmp_path / "restricted.txt").status == 0
    assert _lines(tmp_path / "restricted.txt") == {line_of(KEY, compared("email", "a@b.example"))}
    assert not (tmp_path / "forgotten.txt").exists()


def test_where_klaviyo_does_not_tell_nobody_is_listed_by_half(
    sandbox: Sandbox, run: Runs, given: dict[str, object], tmp_path: Path
) -> None:
    refused = run(
        "forget", "--email", "a@b.example", *BECAUSE, **given, api_key=sandbox.key(scopes=["lists:read"])
    )
    assert refused.status == 1
    assert not (tmp_path / "forgotten.txt").exists()


def test_a_list_that_is_broken_is_not_written_over(run: Runs, given: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "forgotten.txt"
    path.write_text(f"{line_of(KEY, compared('id', 'x'))}\nbroken\n")
    before = path.read_bytes()
    for word in ("forget", "unforget"):
        only = ("--only-given",) if word == "forget" else ()
        done = run(word, "--email", "a@b.example", *only, *BECAUSE, **given)
        assert done.status == 1
        assert "line 2 is not the hash of anybody" in done.err
        assert path.read_bytes() == before
    for wrong, told in (
        ({"forgotten_key": "short"}, "fewer than 32"),
        ({"forgotten_path": "no/list"}, "cannot be kept"),
    ):
        done = run("forget", "--email", "a@b.example", "--only-given", *BECAUSE, **{**given, **wrong})
        assert done.status == 1
        assert told in done.err
    assert run("unforget", "--email", "a@b.example", *BECAUSE, **{**given, "forgotten_path": "none"}).status == 1


def test_who_writes_at_once_waits(tmp_path: Path) -> None:
    kept = PeopleFile(tmp_path / "list", "forgotten_path", KEY)
    with ThreadPoolExecutor(8) as pool:
        people = [compared("external_id", f"crm-{number}") for number in range(60)]
        assert sum(pool.map(lambda each: kept.add([each]), people)) == 60
    assert _lines(kept.path) == {line_of(KEY, each) for each in people}
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda each: kept.remove([each]), people[:30])) == 30
    assert _lines(kept.path) == {line_of(KEY, each) for each in people[30:]}


def test_a_crash_leaves_the_list_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = PeopleFile(tmp_path / "list", "forgotten_path", KEY)
    one, two = compared("email", "a@b.example"), compared("email", "b@b.example")
    kept.add([one])
    kept.path.chmod(0o640)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        for change in (kept.add, kept.remove):
            with pytest.raises(ProgramError, match="No space left on device"):
                change([one, two])
    assert _lines(kept.path) == {line_of(KEY, one)}
    assert {path.name for path in tmp_path.iterdir()} == {"list", "list.lock"}
    kept.add([two])
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o640
