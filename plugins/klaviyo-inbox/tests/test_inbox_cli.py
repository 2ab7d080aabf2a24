"""The commands: what was put away is listed, shown, tried again and removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inbox_door import SECRET, Door, door, event, webhook_body

from klaviyo_inbox.cli import main


class Command:
    """The command with a configuration of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._config = folder / "config.json"
        self._config.write_text(
            json.dumps({"store": str(folder / "inbox.sqlite"), "klaviyo_webhook_secrets": [SECRET]})
        )
        self._capsys = capsys
        self._patch = monkeypatch

    def __call__(self, name: str, *arguments: str) -> tuple[int, str]:
        """The status, and what it said on either way."""
        self._patch.setattr("sys.argv", ["klaviyo-inbox", name, "--config", str(self._config), *arguments])
        status = main()
        out, err = self._capsys.readouterr()
        return status, out + err


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, capsys, monkeypatch)


def put_away(inbox: Door) -> None:
    inbox.flow(b'{"profile_id": ')
    inbox.flow({"profile_id": "A", "attrs": []}, "winback")
    inbox.klaviyo(webhook_body(event("E1", timestamp=None, datetime="noon"), event("E2")))


def test_what_was_put_away_is_listed_and_shown(tmp_path: Path, command: Command) -> None:
    with door(tmp_path) as inbox:
        assert command("dead-letters") == (0, "")
        put_away(inbox)
    status, text = command("dead-letters")
    assert status == 0
    assert [line.split("  ")[0] for line in text.splitlines()] == ["1", "2", "3"]
    assert text.splitlines()[1].endswith("flows  32 bytes  `attrs` is no JSON object")
    listed = [json.loads(line) for line in command("dead-letters", "--json")[1].splitlines()]
    assert [each["source"] for each in listed] == ["flows", "flows", "klaviyo_webhooks"]
    shown = json.loads(command("dead-letters", "--show", "3")[1])
    assert [each["external_id"] for each in shown["data"]] == ["E1"]
    assert shown["meta"]["version"] == "2024-06-28"
    assert command("dead-letters", "--show", "4")[0] == 1


def test_what_has_become_of_use_is_stored_once(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade, say, which reads a time that the version before did not; the rest stays put away."""
    with door(tmp_path) as inbox:
        put_away(inbox)
        with monkeypatch.context() as patch:
            patch.setattr(
                "klaviyo_inbox.sources.klaviyo_webhooks.moments.read_iso",
                lambda value: "2026-09-04T12:00:00+00:00" if value == "noon" else None,
            )
            assert command("retry", "--all") == (0, "1 stored, 2 put away again\n")
        assert sorted(each["id"] for each in inbox.records("pushed_events")) == ["E1", "E2"]
        assert [each.reason[:9] for each in inbox.dead_letters()] == ["it is not", "`attrs` i"]
        assert inbox.klaviyo(webhook_body(event("E1"))).json["duplicates"] == 1
        first, second = (str(each.number) for each in inbox.dead_letters())
        assert command("retry", second, second) == (0, "0 stored, 1 put away again\n")
        assert command("forget", first) == (0, "1 removed\n")
        assert command("forget", "--all") == (0, "1 removed\n")
        assert inbox.dead_letters() == []


@pytest.mark.parametrize("arguments", [(), ("--all", "1"), ("7",)])
def test_it_must_be_said_which_and_they_must_exist(
    arguments: tuple[str, ...], tmp_path: Path, command: Command
) -> None:
    with door(tmp_path) as inbox:
        put_away(inbox)
        for name in ("retry", "forget"):
            status, said = command(name, *arguments)
            assert status == 1
            assert "dead-letters" in said
        assert len(inbox.dead_letters()) == 3


def test_what_is_old_is_removed(tmp_path: Path, command: Command) -> None:
    with door(tmp_path) as inbox:
        put_away(inbox)
        assert command("prune", "--days", "100000") == (0, "0 records and 0 dead letters removed\n")
        # Of 2026-09-04, which is more than a week ago.
        tried = command("prune", "--dry-run")
        assert tried == (0, "1 records and 3 dead letters would be removed\n")
        assert len(inbox.records("pushed_events")) == 1
        assert len(inbox.dead_letters()) == 3
        status, said = command("prune", "--json")
        assert (status, json.loads(said)) == (0, {"records": 1, "dead_letters": 3})
        assert inbox.records("pushed_events") == []
        assert inbox.dead_letters() == []


def test_an_address_that_is_taken_is_told(command: Command) -> None:
    status, said = command("serve", "--host", "203.0.113.1", "--port", "0")
    assert (status, said.count("\n")) == (1, 1)
    assert "choose another" in said


def test_it_does_not_serve_without_a_secret(tmp_path: Path, command: Command) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"store": str(tmp_path / "inbox.sqlite")}))
    status, said = command("serve")
    assert (status, said.startswith("klaviyo-inbox: no source is open: set the secret")) == (1, True)
    assert not (tmp_path / "inbox.sqlite").exists()
