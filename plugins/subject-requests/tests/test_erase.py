"""Who is erased is in no table any more; counts and others stay; a run that is killed leaves all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from people_warehouse import ADA, BOB, OLD, execute

from singer_program.identifiers import compared
from singer_program.people_list import line_of
from subject_requests.erasure import KEPT_MEMBERS

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Runs = Callable[..., Any]
KEY = "a key that no test would guess, of 32"
VERIFIED = ("--verified-at", "2026-11-01")


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


MORE: dict[str, tuple[str, list[tuple[object, ...]]]] = {
    "klaviyo_raw.list_memberships": ("list_id varchar, profile_id varchar", [("L1", "01ADA"), ("L1", "01BOB")]),
    "klaviyo_raw.profile_ids": ("id varchar, swept_at timestamp", [("01ADA", "2026-11-01"), ("01BOB", None)]),
    "klaviyo_raw.privacy_requests": (
        "request_id varchar, email varchar, jurisdiction varchar, scope json",
        [("r1", ADA, "gdpr", '["profile"]'), ("r2", BOB, "ccpa", "[]")],
    ),
    "klaviyo_raw.pushed_events": (
        "id varchar, profile_id varchar, event_properties json, note varchar",
        [
            (
                "p1",
                "01ADA",
                json.dumps(
                    {
                        "$value": 9.5,
                        "Items": ["shoe"],
                        "order_id": f"o-{ADA}",
                        "URL": "https://shop.example/a?email=ada%40mail.example.net&lf_cid=spring.hero.bold#x",
                    }
                ),
                "seen by Ada",
            ),
        ],
    ),
    "marts.fct_consent_log": (
        "change_id varchar, profile_id varchar, external_id varchar, address_digest varchar",
        [("c1", "01ADA", "crm-42", "d1"), ("c2", "01BOB", "crm-43", "d2")],
    ),
    "marts.fct_forwarding": (
        "match_ref varchar, unique_id varchar, event_key varchar, visitor_digest varchar",
        [("m1#M", "o1", "k1", _digest(f"email:{ADA}")), ("m2#M", "o2", "k2", _digest(f"email:{BOB}"))],
    ),
    "marts.int_forwarding_visitors": (
        "anonymous_id varchar, email varchar, external_id varchar",
        [("a1", ADA, None), ("a2", BOB, "crm-43")],
    ),
    "marts.int_outcomes": ("profile_id varchar, value int", [("01ADA", 3), ("01BOB", 4)]),
    "marts.int_texts": ("profile_id varchar, text varchar", [("01ADA", f"Dear {ADA}"), ("01BOB", "Dear Bob")]),
    "marts.pub_klaviyo_profiles": ("profile_id varchar, properties json", [("01ADA", "{}"), ("01BOB", "{}")]),
    "marts.fct_consent": ("identifier varchar, channel varchar", [(OLD, "email"), (BOB, "email")]),
}


def _literal(value: object) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def _state(place: str) -> dict[str, list[str]]:
    """All rows of all tables, as text."""
    tables = execute(
        place,
        "SELECT table_schema || '.' || table_name FROM information_schema.tables"
        " WHERE table_schema IN ('klaviyo_raw', 'marts') AND table_type = 'BASE TABLE' ORDER BY 1",
    )
    return {name: sorted(map(str, execute(place, f"SELECT * FROM {name}"))) for (name,) in tables}  # noqa: S608


@pytest.fixture
def held(warehouse: str) -> str:
    """The warehouse with tables of every treatment, and a view."""
    for table, (columns, rows) in MORE.items():
        listed = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
        execute(warehouse, f"CREATE TABLE {table} ({columns})", f"INSERT INTO {table} VALUES {listed}")  # noqa: S608
    execute(warehouse, "CREATE VIEW marts.fct_people AS SELECT id, email FROM klaviyo_raw.profiles")
    return warehouse


@pytest.fixture
def erase(run: Runs, held: str, tmp_path: Path) -> Runs:
    settings = {
        "warehouse": held,
        "erased_schemas": '["klaviyo_raw", "marts"]',
        "forgotten_path": tmp_path / "forgotten.txt",
        "forgotten_key": KEY,
        "log_path": tmp_path / "log.jsonl",
    }
    assert run("forget", "--email", ADA, "--because", "request 1", **settings).status == 0

    def erase(*words: str, who: tuple[str, ...] = ("--email", ADA.title()), **others: object) -> Any:  # noqa: ANN401
        return run("erase", *who, *VERIFIED, "--because", "request 1", *words, **settings | others)

    return erase


def _is_of_others(row: str) -> bool:
    return "bob" in row.lower() or "crm-43" in row


def _hash(kind: str, value: str) -> str:
    return f"erased-{line_of(KEY, compared(kind, value))[:32]}"


def test_nothing_is_left_of_them_and_everything_of_others(erase: Runs, held: str, tmp_path: Path) -> None:
    before = _state(held)
    tried = erase("--dry-run")
    assert (tried.status, _state(held)) == (0, before), tried.err
    assert "rows would be erased; nothing was" in tried.out
    done = erase()
    assert done.status == 0, done.err
    after = _state(held)
    others = ("bob", "crm-43")
    own = [row for rows in after.values() for row in rows if not any(each in row.lower() for each in others)]
    for value in (ADA, OLD, "01ADA", "01OLD", "crm-42"):
        assert value.lower() not in " ".join(own).lower()
    # Of others every row is there, with a hash in her place.
    everything = " ".join(row for rows in after.values() for row in rows).lower()
    assert not any(value.lower() in everything for value in (ADA, OLD, "01ADA", "01OLD"))
    for table, rows in before.items():
        of_others = [row.replace(ADA, _hash("email", ADA)) for row in rows if _is_of_others(row)]
        assert sorted(of_others) == [row for row in after[table] if _is_of_others(row)]
    ada = _hash("id", "01ADA")
    assert {ada, "01BOB"} == {key for (key,) in execute(held, "SELECT profile_id FROM marts.fct_assignments")}
    assert len(after["klaviyo_raw.list_memberships"]) == len(after["klaviyo_raw.profile_ids"]) == 2
    assert execute(held, "SELECT email FROM klaviyo_raw.privacy_requests WHERE request_id = 'r1'") == [(None,)]
    assert execute(held, "SELECT external_id, address_digest FROM marts.fct_consent_log ORDER BY change_id") == [
        (_hash("external_id", "crm-42"), None),
        ("crm-43", "d2"),
    ]
    assert execute(held, "SELECT event_key, visitor_digest FROM marts.fct_forwarding ORDER BY match_ref") == [
        (None, None),
        ("k2", _digest(f"email:{BOB}")),
    ]
    assert execute(held, "SELECT email FROM marts.int_forwarding_visitors") == [(BOB,)]
    assert sorted(execute(held, "SELECT profile_id, value FROM marts.int_outcomes")) == [("01BOB", 4), (ada, 3)]
    for table in ("klaviyo_raw.orders", "marts.int_texts", "marts.pub_klaviyo_profiles", "marts.fct_consent"):
        assert len(after[table]) == len(before[table]) - 1
    # Of an event, what is counted: no address, no goods, no note.
    [(key, counted, note)] = execute(
        held, "SELECT profile_id, CAST(event_properties AS text), note FROM klaviyo_raw.pushed_events"
    )
    assert (key, note) == (ada, None)
    assert json.loads(counted) == {"$value": 9.5, "URL": "https://shop.example/a?lf_cid=spring.hero.bold"}
    assert "klaviyo_raw.shared_lists: 1 of others, with a hash in their place" in done.out

    # What else they were known by is on the list, all of it is told, and there is nothing to do any more.
    lines = (tmp_path / "forgotten.txt").read_text().split()
    assert {line_of(KEY, compared("external_id", "crm-42")), line_of(KEY, compared("email", OLD))} <= {*lines}
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(each["did"] for each in told)) == ["listed", "erasing", "erased"]
    erased = [each for each in told if each["did"] == "erased"]
    assert sum(each["count"] for each in erased) == told[1]["count"]
    assert "marts.fct_assignments" in {each["what"] for each in erased}
    assert told[1]["count"] == sum(
        int(each) for each in re.findall(r"[:,] (\d+) (?:deleted|kept|reduced|of others)", done.out)
    )
    again = erase()
    assert (again.status, _state(held)) == (0, after)
    assert "0 rows erased" in again.out


def test_without_an_experiment_nothing_is_kept_of_events(erase: Runs, held: str) -> None:
    execute(held, "DELETE FROM marts.fct_assignments")
    assert erase().status == 0
    assert execute(held, "SELECT count(*) FROM klaviyo_raw.pushed_events") == [(0,)]
    assert execute(held, "SELECT id FROM klaviyo_raw.events") == [("e3",)]


def test_a_text_in_which_an_identifier_is_left_undoes_all(erase: Runs, held: str) -> None:
    execute(
        held, "CREATE TABLE marts.notes (body text)", "INSERT INTO marts.notes VALUES ('ada@mail.example.net.')"
    )
    before = _state(held)
    done = erase()
    assert (done.status, _state(held)) == (1, before)
    assert "nothing was erased: marts.notes.body still has an identifier" in done.err
    assert ADA not in done.err
    left = erase("--leave", "marts.notes.body")
    assert left.status == 0, left.err
    assert "marts.notes.body: 1 rows have an identifier of them" in left.out


@pytest.mark.parametrize(
    ("text", "is_hers"),
    [
        ("john.ada@mail.example.net", False),
        ("x-ada@mail.example.net", False),
        ("tag+ada@mail.example.net", False),
        ("ada@mail.example.net.au", False),
        ("ada@mail.example.network", False),
        ("Nada@mail.example.net", False),
        ("ADA@Mail.example.net", True),
        ("<ada@mail.example.net>,", True),
        ("see ada@mail.example.net.", True),
        ("https://shop.example/?email=ada%40mail.example.net&x=1", True),
    ],
)
def test_a_longer_address_is_somebody_elses(text: str, erase: Runs, held: str, *, is_hers: bool) -> None:
    """Where an identifier is looked for in texts, it is not taken for the end of another one."""
    insert = f"INSERT INTO klaviyo_raw.visits VALUES ('{text}')"  # noqa: S608
    execute(held, "CREATE TABLE klaviyo_raw.visits (page text)", insert)
    done = erase()
    assert (done.status == 1) is is_hers
    assert ("klaviyo_raw.visits.page still has an identifier" in done.err) is is_hers


def _arrays(place: str, name: str, rows: str) -> None:
    kind = "text[]" if place.startswith("postgresql") else "varchar[]"
    execute(place, f"CREATE TABLE {name} (n int, ids {kind})", f"INSERT INTO {name} VALUES {rows}")  # noqa: S608


def test_arrays_and_documents_of_others_name_them_no_more(erase: Runs, held: str) -> None:
    """In whatever form an address may stand in a document: of others, everything else stays as it was."""
    mark = "ARRAY" if held.startswith("postgresql") else ""
    _arrays(
        held, "marts.int_groups", f"(1, {mark}['crm-42', '01BOB', NULL]), (2, {mark}['it''s', '{{a}}']), (3, NULL)"
    )
    _arrays(held, "klaviyo_raw.tagged", f"(1, {mark}['see {ADA}', 'x,y']), (2, {mark}['john.{ADA}'])")
    visits = [
        '{"url": "https://shop.example/?q=%20ada%40mail.example.net&z=1"}',
        '{"url": "https://shop.example/?email=tag%2Bada%40mail.example.net"}',
        '{"html": "\\u003cada@mail.example.net\\u003e", "n": 12345678901234567890}',
        '{"external_id": "crm-42", "note": "crm-42", "ADA@mail.example.net": true}',
        '{"text": "{\\"to\\":\\"ada@mail.example.net\\"}"}',
    ]
    listed = ", ".join(f"({n}, 'anonymous', {_literal(each)})" for n, each in enumerate(visits))
    columns = "(n int, anonymous_id text, context json)"
    execute(
        held,
        f"CREATE TABLE klaviyo_raw.visits {columns}",
        f"INSERT INTO klaviyo_raw.visits VALUES {listed}",  # noqa: S608
    )
    done = erase()
    assert done.status == 0, done.err
    ada, crm = _hash("email", ADA), _hash("external_id", "crm-42")
    read = "SELECT ids FROM {} ORDER BY n"
    assert execute(held, read.format("marts.int_groups")) == [([crm, "01BOB", None],), (["it's", "{a}"],), (None,)]
    assert execute(held, read.format("klaviyo_raw.tagged")) == [([f"see {ada}", "x,y"],), ([f"john.{ADA}"],)]
    left = [
        json.loads(text)
        for (text,) in execute(held, "SELECT CAST(context AS text) FROM klaviyo_raw.visits ORDER BY n")
    ]
    assert left == [
        {"url": f"https://shop.example/?q=%20{ada}&z=1"},
        json.loads(visits[1]),
        {"html": f"<{ada}>", "n": 12345678901234567890},
        {"external_id": crm, "note": "crm-42", ada: True},
        {"text": f'{{"to":"{ada}"}}'},
    ]
    assert "marts.int_groups: 1 of others" in done.out
    assert "0 rows erased" in erase().out


def test_a_document_that_is_to_be_left_is_left(erase: Runs, held: str) -> None:
    done = erase("--leave", "klaviyo_raw.shared_lists.members")
    assert done.status == 0, done.err
    assert "klaviyo_raw.shared_lists.members: 1 rows have an identifier of them" in done.out
    [(members,)] = execute(held, "SELECT CAST(members AS text) FROM klaviyo_raw.shared_lists")
    assert ADA in members


def test_tables_that_are_called_otherwise_are_what_they_are(erase: Runs, held: str) -> None:
    """What becomes of a row follows from what its table is here, and not from its name there."""
    renamed = {"profiles": "k_people", "events": "k_log", "list_memberships": "k_members"}
    execute(held, "DROP VIEW marts.fct_people")
    execute(held, *(f"ALTER TABLE klaviyo_raw.{ours} RENAME TO {theirs}" for ours, theirs in renamed.items()))
    # Of one that only has such a name, rows are deleted, as of any other.
    execute(held, "CREATE TABLE marts.events AS SELECT id, profile_id, event_properties FROM klaviyo_raw.k_log")
    done = erase(raw_tables=json.dumps(renamed))
    assert done.status == 0, done.err
    assert execute(held, "SELECT count(*) FROM klaviyo_raw.k_members") == [(2,)]
    assert len(execute(held, "SELECT id FROM klaviyo_raw.k_log WHERE profile_id LIKE 'erased-%'")) == 2
    assert execute(held, "SELECT count(*) FROM klaviyo_raw.k_people") == [(1,)]
    assert execute(held, "SELECT id FROM marts.events") == [("e3",)]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_table_in_parts_is_one_table(erase: Runs, held: str) -> None:
    """Its rows are those of the whole, wherever they lie; a row that changes may move to another part."""
    execute(
        held,
        "CREATE SCHEMA parts",
        "ALTER TABLE klaviyo_raw.events RENAME TO whole",
        "CREATE TABLE klaviyo_raw.events (id text, profile_id text, event_properties json)"
        " PARTITION BY LIST (left(profile_id, 3))",
        "CREATE TABLE klaviyo_raw.events_1 PARTITION OF klaviyo_raw.events FOR VALUES IN ('01A', '01B')",
        "CREATE TABLE parts.events_2 PARTITION OF klaviyo_raw.events DEFAULT",
        "INSERT INTO klaviyo_raw.events SELECT * FROM klaviyo_raw.whole",
        "DROP TABLE klaviyo_raw.whole",
    )
    done = erase()
    assert done.status == 0, done.err
    assert "klaviyo_raw.events: 1 of others, with a hash in their place, 2 reduced" in done.out
    assert "events_1" not in done.out
    rows = execute(held, "SELECT id, profile_id FROM klaviyo_raw.events ORDER BY id")
    assert rows == [("e1", _hash("id", "01ADA")), ("e2", _hash("id", "01OLD")), ("e3", "01BOB")]
    assert execute(held, "SELECT count(*) FROM parts.events_2") == [(2,)]
    assert "0 rows erased" in erase().out


def test_refused_rows_are_erased_as_well(erase: Runs, tmp_path: Path) -> None:
    """Before the warehouse keeps what was done: who is killed between finds them again by what it still knows."""
    hashed = hashlib.sha256(OLD.encode()).hexdigest()
    lines: list[dict[str, Any]] = [
        {"key": {"email": f"sha256:{hashed}"}, "code": "invalid"},
        {"key": {"id": "01ADA"}, "given": {"n": 1}},
        {"key": {"id": "01BOB"}, "given": {"email": BOB, "cc": [ADA], "n": 1.0}, "detail": f"{ADA} is taken"},
        {"key": {"id": "01BOB"}, "given": {"email": BOB}},
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines) + f'{{"key": {{"email": "{ADA}\n{{"key": {{"id"'
    paths = [tmp_path / name for name in ("rejects.jsonl", "rejects.1.jsonl", "none.jsonl")]
    for path in paths[:2]:
        path.write_text(text)
    settings = {"rejects_paths": json.dumps([*map(str, paths)])}
    tried = erase("--dry-run", **settings)
    assert tried.status == 0, tried.err
    assert paths[0].read_text() == text
    done = erase(**settings)
    assert done.status == 0, done.err
    assert "rejects.jsonl: 3 deleted, 1 of others, with a hash in their place" in done.out
    ada = _hash("email", ADA)
    of_others = {
        "key": {"id": "01BOB"},
        "given": {"email": BOB, "cc": [ada], "n": 1.0},
        "detail": f"{ada} is taken",
    }
    for path in paths[:2]:
        assert path.read_text().splitlines() == [json.dumps(of_others), json.dumps(lines[3]), '{"key": {"id"']
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(each["what"], each["count"]) for each in told if each["source"] == "rejects"] == [
        ("rejects.jsonl", 4),
        ("rejects.1.jsonl", 4),
    ]
    assert "0 rows erased" in erase(**settings).out
    # A file that is another one stops it before anything is done.
    paths[1].write_text("name,email\n")
    assert "line 1 is no JSON object" in erase(**settings).err


def test_a_job_that_never_ran_has_no_schema(erase: Runs) -> None:
    assert erase("--dry-run", erased_schemas='["klaviyo_raw", "marts", "deletions", "history"]').status == 0
    assert "no schema `mart`" in erase("--dry-run", erased_schemas='["klaviyo_raw", "mart"]').err


def test_a_number_that_is_an_id_of_yours_is_no_number_of_an_order(erase: Runs, held: str) -> None:
    """The rows of others in which the same digits mean something else stay, and hold nothing up."""
    execute(
        held,
        f"UPDATE klaviyo_raw.profiles SET external_id = '100234' WHERE email = '{OLD}'",  # noqa: S608
        "UPDATE klaviyo_raw.profiles SET external_id = '100234' WHERE id = '01ADA'",
        "CREATE TABLE marts.int_orders (order_id text, profile_id text)",
        "INSERT INTO marts.int_orders VALUES ('100234', '01BOB'), ('7', '01ADA')",
        "CREATE TABLE marts.fct_owners (external_id text)",
        "INSERT INTO marts.fct_owners VALUES ('100234')",
    )
    done = erase()
    assert done.status == 0, done.err
    assert execute(held, "SELECT order_id FROM marts.int_orders WHERE profile_id = '01BOB'") == [("100234",)]
    assert execute(held, "SELECT count(*) FROM marts.fct_owners") == [(0,)]


def test_an_id_that_is_kept_as_a_number_is_found(erase: Runs, held: str) -> None:
    """A hash is no number: a row that has nobody but by such an id goes, and a ledger keeps it without."""
    execute(
        held,
        "UPDATE klaviyo_raw.profiles SET external_id = '100234' WHERE id = '01ADA'",
        "CREATE TABLE marts.dim_customers (customer_id bigint, value int)",
        "INSERT INTO marts.dim_customers VALUES (100234, 1), (100235, 2), (NULL, 3)",
        "DROP TABLE marts.fct_consent_log",
        "CREATE TABLE marts.fct_consent_log (profile_id text, external_id bigint)",
        "INSERT INTO marts.fct_consent_log VALUES ('01ADA', 100234), ('01BOB', 100235)",
    )
    done = erase()
    assert done.status == 0, done.err
    assert execute(held, "SELECT value FROM marts.dim_customers ORDER BY value") == [(2,), (3,)]
    assert execute(held, "SELECT * FROM marts.fct_consent_log ORDER BY profile_id") == [
        ("01BOB", 100235),
        (_hash("id", "01ADA"), None),
    ]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
@pytest.mark.parametrize("kind", ["remark", "pair", "choice"])
def test_texts_of_every_type_are_looked_through(kind: str, erase: Runs, held: str) -> None:
    """Also where nothing is known of a type but its name."""
    value = "ROW('of ada@mail.example.net', 1)::pair" if kind == "pair" else "'ada@mail.example.net'"
    execute(
        held,
        "CREATE DOMAIN public.remark AS varchar(80)",
        "CREATE TYPE public.pair AS (said text, n int)",
        "CREATE TYPE public.choice AS ENUM ('ada@mail.example.net')",
        f"CREATE TABLE klaviyo_raw.remarks (said public.{kind})",
        f"INSERT INTO klaviyo_raw.remarks VALUES ({value})",  # noqa: S608
    )
    done = erase()
    assert done.status == 1
    assert "klaviyo_raw.remarks.said still has an identifier" in done.err


def test_what_they_were_before_goes_too(erase: Runs, held: str) -> None:
    """Versions that dbt's snapshots keep: of whatever address they had then."""
    execute(
        held,
        "CREATE SCHEMA history",
        "CREATE TABLE history.snap_klaviyo__profiles (profile_id text, email text, dbt_valid_to timestamp)",
        "INSERT INTO history.snap_klaviyo__profiles VALUES ('01ADA', 'ada@before.example', '2026-11-01'),"
        " ('01ADA', 'ada@now.example', NULL), ('01BOB', 'bob@now.example', NULL)",
    )
    done = erase(erased_schemas='["klaviyo_raw", "marts", "history"]')
    assert done.status == 0, done.err
    assert execute(held, "SELECT email FROM history.snap_klaviyo__profiles") == [("bob@now.example",)]


def test_a_view_of_what_lies_elsewhere_undoes_all(erase: Runs, held: str) -> None:
    execute(
        held,
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.people (email text)",
        "INSERT INTO elsewhere.people VALUES ('ada@mail.example.net')",
        "CREATE VIEW marts.all_people AS SELECT * FROM elsewhere.people",
    )
    before = _state(held)
    done = erase()
    assert (done.status, _state(held)) == (1, before)
    assert "marts.all_people shows rows of them from elsewhere" in done.err
    assert erase(erased_schemas='["klaviyo_raw", "marts", "elsewhere"]').status == 0


def test_who_comes_back_with_the_next_reading_is_not_erased(erase: Runs, held: str, sandbox: Sandbox) -> None:
    before = _state(held)
    unlisted = erase(who=("--email", BOB))
    assert unlisted.status == 1
    assert "`subject-requests forget` first" in unlisted.err
    # Klaviyo knows them by what only the warehouse told.
    sandbox.store.write(
        "update profiles set external_id = ? where id = (select min(id) from profiles)", [["crm-42"]]
    )
    there = erase()
    assert there.status == 1
    assert "delete it first" in there.err
    assert _state(held) == before
    assert erase("--still-at-klaviyo").status == 0


@pytest.mark.parametrize(("moment", "is_erased"), [("before the commit", False), ("after the commit", True)])
def test_a_run_that_is_killed_leaves_all_or_nothing(
    erase: Runs, held: str, *, moment: str, is_erased: bool
) -> None:
    before = _state(held)
    where = "if statement == 'COMMIT':\n        "
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    change = f"plain(self, statement, values)\n    {where}{kill}"
    if not is_erased:
        change = f"{where}{kill}\n    plain(self, statement, values)"
    script = (
        "import os, signal, sys\nfrom subject_requests import warehouse\nfrom subject_requests.cli import main\n"
        f"kind = warehouse.{'Postgres' if held.startswith('postgresql') else 'DuckDB'}\n"
        f"plain = kind.change\ndef change(self, statement, values=()):\n    {change}\n"
        "kind.change = change\nmain()\n"
    )
    words = ("erase", "--email", ADA, *VERIFIED, "--because", "request 1")
    killed = subprocess.run([sys.executable, "-c", script, *words], env=os.environ, check=False)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL, moment
    assert (_state(held) == before) is not is_erased
    done = erase()
    assert done.status == 0, done.err
    assert ("0 rows erased" in done.out) is is_erased


def test_of_an_event_what_the_models_read_is_kept() -> None:
    """One list in two places: what staging reads of an event's properties, and what erasure leaves of it."""
    transform = Path(__file__).parents[3] / "transform"
    places = ("models/staging/klaviyo/stg_klaviyo__events.sql", "macros/measurement/lf_event_properties.sql")
    text = "".join((transform / place).read_text(encoding="utf-8") for place in places)
    keys = re.findall(r"(?:'event_properties'|document), '([^']+)'", text)
    read = {*keys, *re.findall(r": '([^']+)'[,}]", text)} - {"lf_cid"}
    assert read == KEPT_MEMBERS
