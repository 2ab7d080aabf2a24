"""A package holds everything of one person, and of nobody else; or there is none."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from people_warehouse import ADA, BOB, TABLES, execute, filled

from klaviyo_sandbox.http.faults import Status
from klaviyo_sandbox.model.records import Coupon, CouponCode
from singer_program.errors import ProgramError
from singer_program.identifiers import Identifier
from subject_requests.klaviyo import Klaviyo
from subject_requests.laws import CLOCKS, a_month_later
from subject_requests.package import as_csv, as_json
from subject_requests.person import masked, person_of

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Runs = Callable[..., Any]
EVERYTHING = {
    "profile", "subscriptions", "predictive_analytics", "lists", "segments", "push_tokens", "conversations",
    "coupon_codes", "events", "flow_enrolments",
}  # fmt: skip


def _somebody(sandbox: Sandbox) -> tuple[str, str]:
    """Id and address of a person who has something of every category."""
    return next(
        (str(key), str(email))
        for key, email in sandbox.store.read(
            "select id, email from profiles where email is not null"
            " and id in (select profile_id from conversations) and id in (select profile_id from events)"
            " and id in (select profile_id from members)"
        )
    )


def _read(folder: Path) -> tuple[Json, dict[str, list[Json]]]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest, {
        path.relative_to(folder).with_suffix("").as_posix(): json.loads(path.read_text())
        for path in folder.rglob("*.json")
        if path.name != "manifest.json"
    }


def _texts(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file()).lower()


def test_everything_that_klaviyo_holds_of_one_person(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    key, email = _somebody(sandbox)
    times = ("--received-at", "2026-01-31T10:00:00+00:00", "--verified-at", "2026-02-01")
    request = ("--request", "r-1", "--law", "gdpr", *times)
    done = run("export", "--email", email.upper(), "--out", "package", *request, log_path="log.jsonl")
    assert done.status == 0, done.err
    manifest, categories = _read(tmp_path / "package")
    assert categories.keys() == EVERYTHING
    assert manifest["profiles"] == [key]
    assert manifest["request"]["due_at"] == "2026-02-28T10:00:00+00:00"
    held = sandbox.store.read("select id, metric_id from events where profile_id = ?", [key])
    assert {(each["id"], each["metric_id"]) for each in categories["events"]} == {*held}
    assert len(categories["events"]) == len(held) > 0
    assert all(each["metric_name"] for each in categories["events"])
    groups = {str(name) for (name,) in sandbox.store.read(
        "select name from groups where id in (select group_id from members where profile_id = ?)", [key]
    )}  # fmt: skip
    assert {each["name"] for each in (*categories["lists"], *categories["segments"])} == groups
    assert categories["push_tokens"][0]["token"]
    assert categories["conversations"][0]["channel"]
    assert categories["subscriptions"][0]["email"]["marketing"]["consent"]
    assert manifest["inferred"] == ["predictive_analytics"]
    assert {each["category"] for each in manifest["omissions"]} >= {"flow_enrolments", "warehouse", "reviews"}
    of_flows = {each["event_properties"].get("$flow") for each in categories["events"]} - {None, ""}
    assert {each["flow_id"] for each in categories["flow_enrolments"]} == of_flows
    assert email not in json.dumps(manifest)


def test_the_codes_that_a_person_was_given_are_theirs_to_the_last_page(
    sandbox: Sandbox, run: Runs, tmp_path: Path
) -> None:
    key, email = _somebody(sandbox)
    sandbox.store.read("delete from coupon_codes")
    other = sandbox.store.read("select id from profiles where id <> ?", [key])[0][0]
    sandbox.store.put(Coupon(id="ŒUF", description="Fünf € für alle"))
    for place in range(205):
        owner = (key, other, None)[place % 3] if place >= 150 else key
        code = CouponCode(id=f"ŒUF-{place}", coupon_id="ŒUF", profile_id=owner, unique_code=str(place))
        sandbox.store.put(code)
    assert run("export", "--email", email, "--out", "package").status == 0
    rows = _read(tmp_path / "package")[1]["coupon_codes"]
    theirs = {str(place) for place in range(205) if place < 150 or place % 3 == 0}
    assert len(rows) == len(theirs) > 100
    assert {each["unique_code"] for each in rows} == theirs
    assert {(each["profile_id"], each["coupon_id"], each["coupon_description"]) for each in rows} == {
        (key, "ŒUF", "Fünf € für alle")
    }


def test_every_file_is_as_the_manifest_says_and_nobody_elses(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    key, email = _somebody(sandbox)
    folder = tmp_path / "package"
    folder.mkdir(mode=0o755)
    assert run("export", "--email", email, "--out", str(folder)).status == 0
    manifest, categories = _read(folder)
    assert {each["path"] for each in manifest["files"]} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {"manifest.json"}
    for each in manifest["files"]:
        content = (folder / each["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each["bytes"], each["sha256"])
        assert stat.S_IMODE((folder / each["path"]).stat().st_mode) == 0o600
        name = each["path"].rpartition(".")[0]
        if each["path"].endswith(".csv"):
            with (folder / each["path"]).open(newline="") as file:
                assert len(list(csv.DictReader(file))) == each["rows"] == len(categories[name])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".package")]
    texts = _texts(folder)
    others = sandbox.store.read("select id, email, phone_number from profiles where id <> ?", [key])
    assert len(others) > 30
    for value in (each for row in others for each in row if each):
        assert str(value).lower() not in texts
    page = (folder / "README.md").read_text()
    assert all(f"`{name}.json`" in page for name in EVERYTHING)
    assert "Klaviyo has no listing of who was in a flow" in page


def test_the_same_state_gives_the_same_bytes(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    _, email = _somebody(sandbox)
    for name in ("one", "two"):
        assert run("export", "--email", email, "--out", name).status == 0
    one, two = (tmp_path / name for name in ("one", "two"))
    manifests = [_read(folder)[0] for folder in (one, two)]
    assert manifests[0]["contents_sha256"] == manifests[1]["contents_sha256"]
    for path in one.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()
    for manifest in manifests:
        del manifest["generated_at"]
        for source in manifest["sources"]:
            del source["read_at"]
    assert manifests[0] == manifests[1]


def test_an_archive_holds_the_same_files(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    """The same state gives the same bytes of it, but for the times of reading in its manifest."""
    _, email = _somebody(sandbox)
    for name in ("folder", "one.zip", "two.ZIP"):
        assert run("export", "--email", email, "--out", name).status == 0
    archives = [ZipFile(tmp_path / name) for name in ("one.zip", "two.ZIP")]
    names = archives[0].namelist()
    assert names == archives[1].namelist()
    assert names[0] == "manifest.json"
    folder = tmp_path / "folder"
    assert {*names} == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in names[1:]:
        assert archives[0].read(name) == archives[1].read(name) == (folder / name).read_bytes()
    entries = [[each for each in archive.infolist() if each.filename != "manifest.json"] for archive in archives]
    for one, two in zip(*entries, strict=True):
        assert (one.date_time, one.external_attr, one.compress_size, one.CRC) == (
            (1980, 1, 1, 0, 0, 0), 0o600 << 16, two.compress_size, two.CRC
        )  # fmt: skip
    assert stat.S_IMODE((tmp_path / "one.zip").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "one.zip", "two.ZIP"}
    before = (tmp_path / "one.zip").read_bytes()
    again = run("export", "--email", email, "--out", "one.zip")
    assert (again.status, (tmp_path / "one.zip").read_bytes()) == (1, before)
    assert "is there already" in again.err


def test_all_profiles_that_match_are_theirs(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    """But one that has only their number, and names somebody else: it may be of the same household."""
    rows = sandbox.store.read("select id, email, phone_number from profiles where email is not null order by id")
    first, second = rows[0], next(each for each in rows[1:] if each[2])
    number = ("--phone-number", str(second[2]))
    done = run("export", "--email", str(first[1]), "--profile-id", str(second[0]), "--out", "both")
    assert done.status == 0, done.err
    assert _read(tmp_path / "both")[0]["profiles"] == sorted([first[0], second[0]])
    assert run("export", *number, "--out", "by number").status == 0
    assert _read(tmp_path / "by number")[0]["profiles"] == [second[0]]
    assert run("export", "--email", str(first[1]), *number, "--out", "household").status == 0
    manifest, _ = _read(tmp_path / "household")
    assert manifest["profiles"] == [first[0]]
    assert str(second[1]) not in _texts(tmp_path / "household")
    told = [each["reason"] for each in manifest["omissions"] if each["category"] == "profile"]
    assert told[0].startswith("1 profiles have a number that was given and name somebody else")


def test_who_is_not_there_gets_a_package_that_says_so(run: Runs, tmp_path: Path) -> None:
    assert run("export", "--email", "nobody@mail.example.net", "--out", "package").status == 0
    manifest, categories = _read(tmp_path / "package")
    assert manifest["profiles"] == []
    assert not any(categories.values())
    assert "Nothing was found" in (tmp_path / "package" / "README.md").read_text()


def test_what_the_key_may_not_read_is_left_out_with_the_reason(
    sandbox: Sandbox, run: Runs, tmp_path: Path
) -> None:
    _, email = _somebody(sandbox)
    key = sandbox.key(scopes=["profiles:read", "events:read", "metrics:read", "segments:read"])
    done = run("export", "--email", email, "--out", "package", api_key=key)
    assert done.status == 0, done.err
    manifest, categories = _read(tmp_path / "package")
    assert categories.keys() == EVERYTHING - {"lists", "conversations", "coupon_codes"}
    reasons = {each["category"]: each["reason"] for each in manifest["omissions"]}
    assert "`lists:read`" in reasons["lists"]
    assert "`conversations:read`" in reasons["conversations"]
    assert "`coupon-codes:read`" in reasons["coupon_codes"]
    assert "left out: lists" in done.err
    without = run("export", "--email", email, "--out", "none", api_key=sandbox.key(scopes=["lists:read"]))
    assert without.status == 1
    assert "`profiles:read`" in without.err


@pytest.mark.parametrize("operation", ["get_profiles", "get_lists_for_profile", "get_events"])
def test_what_is_not_told_leaves_no_package(operation: str, sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    _, email = _somebody(sandbox)
    sandbox.faults.add(Status(operation=operation, status=500, times=100))
    done = run("export", "--email", email, "--out", "package")
    assert done.status == 1
    assert "answered 500" in done.err
    assert [each.name for each in tmp_path.iterdir()] == []


class _Client:
    """Answers every listing with one page."""

    def __init__(self, page: Json) -> None:
        self.page = page

    def pages(self, *_: object, **__: object) -> list[Json]:
        return [self.page]


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ({"email": "eve@mail.example"}, "with a profile of another"),
        ({"email": None}, "with a profile of another"),
        ({"email": "ada@mail.example"}, "did not tell `subscriptions`"),
    ],
)
def test_an_answer_about_somebody_else_is_not_taken_for_theirs(profile: Json, told: str) -> None:
    page = {"data": [{"type": "profile", "id": "01X", "attributes": profile}]}
    with pytest.raises(ProgramError, match=told):
        Klaviyo(_Client(page)).profiles(person_of({"email": "ada@mail.example"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "told"),
    [("get_events", "with an event of another"), ("get_coupon_codes", "with a code of another")],
)
def test_what_is_answered_of_somebody_elses_ends_the_export(operation: str, told: str) -> None:
    class Mistaken:
        def pages(self, asked: str, **_: object) -> list[Json]:
            attributes = {"email": "ada@mail.example", "subscriptions": None, "predictive_analytics": None}
            of_another = {"profile": {"data": {"type": "profile", "id": "01EVE"}}}
            rows = {
                "get_profiles": [{"type": "profile", "id": "01ADA", "attributes": attributes}],
                operation: [{"type": "any", "id": "x", "attributes": {}, "relationships": of_another}],
            }
            return [{"data": rows.get(asked, [])}]

    with pytest.raises(ProgramError, match=told):
        Klaviyo(Mistaken()).read(person_of({"email": "ada@mail.example"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--email", "a@b.example", "--out", "full"], "is there already and not an empty folder"),
        (["--email", "a@b.example", "--out", "file"], "is there already and not an empty folder"),
        (["--email", "a@b.example", "--out", "no/such/folder"], "a folder that does not exist"),
        (["--out", "package"], "say whom it is about"),
        (["--email", " ", "--out", "package"], "say whom it is about"),
        (["--phone-number", "020 7183 8750", "--out", "package"], "no phone number in the international form"),
        (["--email", "a@b.example", "--out", "x", "--warehouse", "none.duckdb"], "there is no DuckDB file"),
    ],
)
def test_a_wrong_call_is_told_and_leaves_what_is_there(
    words: list[str], told: str, run: Runs, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("kept")
    (tmp_path / "file").write_text("kept")
    done = run("export", *words)
    assert done.status == 1
    assert told in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"full", "file"}
    assert (tmp_path / "full" / "kept").read_text() == "kept"


def test_everything_that_the_warehouse_holds_and_nothing_of_others(
    warehouse: str, run: Runs, tmp_path: Path
) -> None:
    """Found by what merged profiles had; a household's number is not hers alone."""
    done = run("export", "--email", ADA, "--out", "package", warehouse=warehouse)
    assert done.status == 0, done.err
    manifest, categories = _read(tmp_path / "package")
    rows = {name.removeprefix("warehouse/"): each for name, each in categories.items() if "/" in name}
    assert {each["id"] for each in rows["klaviyo_raw.profiles"]} == {"01ADA", "01OLD"}
    assert {each["id"] for each in rows["klaviyo_raw.events"]} == {"e1", "e2"}
    assert [(each["order_id"], each["value"]) for each in rows["klaviyo_raw.orders"]] == [("o1", 9.9)]
    assert {each["message_id"] for each in rows["klaviyo_raw.site_events"]} == {"m1", "m2"}
    assert rows["marts.fct_assignments"] == [{"profile_id": "01ADA", "arm": "bold"}]
    assert rows.keys() == TABLES.keys() - {"klaviyo_raw.shared_lists", "marts.dim_arms"}
    assert "bob" not in _texts(tmp_path / "package")
    omitted = {each["category"]: each["reason"] for each in manifest["omissions"]}
    assert omitted["warehouse/klaviyo_raw.shared_lists"].startswith("1 rows")
    assert omitted["warehouse/klaviyo_raw.orders"].startswith("1 rows")
    [source] = [each for each in manifest["sources"] if each["name"] == "warehouse"]
    assert (source["schemas"], source["tables"]) == (["klaviyo_raw", "marts", "history"], len(TABLES))
    assert warehouse not in json.dumps(manifest)


def test_what_was_predicted_says_so_wherever_it_was_kept(run: Runs, tmp_path: Path) -> None:
    held = filled(tmp_path / "warehouse.duckdb")
    execute(
        held,
        "CREATE TABLE klaviyo_raw.predicted (profile_id text, average_order_value double)",
        "INSERT INTO klaviyo_raw.predicted VALUES ('01ADA', 12.5), ('01BOB', 3)",
    )
    renamed = json.dumps({"profile_predictive_analytics": "predicted"})
    done = run("export", "--email", ADA, "--out", "package", warehouse=held, raw_tables=renamed)
    assert done.status == 0, done.err
    manifest, categories = _read(tmp_path / "package")
    assert manifest["inferred"] == ["predictive_analytics", "warehouse/klaviyo_raw.predicted"]
    assert categories["warehouse/klaviyo_raw.predicted"] == [{"profile_id": "01ADA", "average_order_value": 12.5}]
    page = (tmp_path / "package" / "README.md").read_text()
    assert page.count("predicted, not told by you") == 2


def test_a_number_that_was_given_with_the_request_is_theirs(warehouse: str, run: Runs, tmp_path: Path) -> None:
    words = ("--email", ADA, "--phone-number", "+44 20 7183 8750", "--out", "package")
    assert run("export", *words, warehouse=warehouse).status == 0
    rows = _read(tmp_path / "package")[1]["warehouse/klaviyo_raw.orders"]
    assert {each["order_id"] for each in rows} == {"o1", "o3"}


def test_a_schema_that_is_not_there_is_not_taken_for_empty(warehouse: str, run: Runs, tmp_path: Path) -> None:
    done = run("export", "--email", ADA, "--out", "p", warehouse=warehouse, schemas='["klaviyo_raw", "mart"]')
    assert done.status == 1
    assert "no schema `mart`" in done.err
    assert not (tmp_path / "p").exists()


def test_the_controller_is_in_it(run: Runs, tmp_path: Path) -> None:
    (tmp_path / "controller.yml").write_text("name: Shop Ltd\ncontact: privacy@shop.example\n")
    words = ("export", "--email", ADA, "--out")
    assert run(*words, "one", controller_path="controller.yml").status == 0
    assert _read(tmp_path / "one")[0]["controller"]["name"] == "Shop Ltd"
    assert "Shop Ltd, privacy@shop.example" in (tmp_path / "one" / "README.md").read_text()
    (tmp_path / "controller.yml").write_text("name: [\n")
    wrong = run(*words, "two", controller_path="controller.yml")
    assert wrong.status == 1
    assert "controller.yml, line 2: is not YAML" in wrong.err


def test_months_are_those_of_the_calendar() -> None:
    for given, due in (("2026-01-31", "2026-02-28"), ("2028-01-31", "2028-02-29"), ("2026-12-15", "2027-01-15")):
        assert a_month_later(datetime.fromisoformat(given)) == datetime.fromisoformat(due)
    assert CLOCKS["ccpa"](datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 2, 15, tzinfo=UTC)


def test_the_clocks_are_those_of_the_warehouse() -> None:
    """The dbt project has them as a seed, with extensions and confirmations besides."""
    seed = Path(__file__).parents[3] / "transform/seeds/privacy_clocks.csv"
    rows = list(csv.DictReader(seed.read_text(encoding="utf-8").splitlines()))
    assert {row["law"] for row in rows} == CLOCKS.keys()
    received = datetime(2028, 1, 31, 12, tzinfo=UTC)
    for row in rows:
        due = received
        for _ in range(int(row["months"])):
            due = a_month_later(due)
        assert CLOCKS[row["law"]](received) == due + timedelta(days=int(row["days"]))


def test_a_spreadsheet_takes_nothing_for_a_formula() -> None:
    rows: list[Json] = [{"a": "=1+1", "b": "+442071838750", "c": {"x": "ü"}}, {"a": "@x", "d": True, "b": "-1.5"}]
    assert as_csv(rows).decode() == 'a,b,c,d\n\'=1+1,+442071838750,"{""x"":""ü""}",\n\'@x,-1.5,,true\n'
    assert as_csv([]) == b""
    assert json.loads(as_json({"b": float("nan"), "a": b"\x00"})) == {"a": "AA==", "b": None}


@pytest.mark.parametrize(
    ("identifier", "shown"),
    [
        (Identifier("email", "ada@mail.example.net"), "a…@m….net"),
        (Identifier("email", "x"), "x…@…"),
        (Identifier("phone_number", "+442071838750"), "+44…50"),
        (Identifier("external_id", "crm-42"), "cr…42"),
        (Identifier("external_id", "7"), "…"),
    ],
)
def test_what_is_shown_of_an_identifier(identifier: Identifier, shown: str) -> None:
    assert masked(identifier) == shown


@pytest.mark.parametrize(("function", "times"), [("fsync", 3), ("rename", 1)])
def test_an_export_that_is_killed_leaves_nothing_that_looks_whole(
    function: str, times: int, sandbox: Sandbox, run: Runs, tmp_path: Path
) -> None:
    """Killed between two files, and when all of them are there but not in their place."""
    _, email = _somebody(sandbox)
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom subject_requests.cli import main\n"
        f"place, name = (os, 'fsync') if '{function}' == 'fsync' else (Path, 'rename')\n"
        "plain, calls = getattr(place, name), []\n"
        "def counted(*words):\n    calls.append(words)\n"
        f"    if len(calls) == {times}:\n        os.kill(os.getpid(), signal.SIGKILL)\n    return plain(*words)\n"
        "setattr(place, name, counted)\nmain()\n"
    )
    given = {"SUBJECT_REQUESTS_API_KEY": sandbox.api_key, "SUBJECT_REQUESTS_API_URL": sandbox.url}
    killed = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script, "export", "--email", email, "--out", "package"],
        cwd=tmp_path,
        env={**os.environ, **given},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "package").exists()
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    assert run("export", "--email", email, "--out", "package").status == 0
    assert (tmp_path / "package" / "manifest.json").exists()


def test_refused_rows_that_name_them_are_in_it(run: Runs, tmp_path: Path) -> None:
    hashed = hashlib.sha256(ADA.encode()).hexdigest()
    lines: list[Json] = [
        {"stream": "profiles", "key": {"email": f"sha256:{hashed}"}, "code": "invalid"},
        {"stream": "events", "key": {"id": "01BOB"}, "given": {"email": BOB, "friend_email": ADA}},
        {"stream": "profiles", "key": {"external_id": "o1"}, "given": {"email": ADA.title()}},
        {"stream": "profiles", "key": None, "given": {"email": BOB}},
    ]
    (tmp_path / "rejects.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    settings = {"rejects_paths": '["rejects.jsonl", "tap-rejects.jsonl"]'}
    done = run("export", "--email", ADA, "--out", "one", **settings)
    assert done.status == 0, done.err
    manifest, categories = _read(tmp_path / "one")
    [source] = [each for each in manifest["sources"] if each["name"] == "rejects"]
    assert source["files"] == ["rejects.jsonl", "tap-rejects.jsonl"]
    theirs = categories["rejects/rejects"]
    assert [each for each in lines if each in theirs] == [lines[0], lines[2]]
    assert len(theirs) == 2
    assert BOB not in _texts(tmp_path / "one")
    omitted = {each["category"]: each["reason"] for each in manifest["omissions"]}
    assert omitted["rejects/rejects"].startswith("1 lines")
    assert omitted["rejects/tap-rejects"].startswith("there is no such file")
    assert "under another key" in omitted["ledger"]
    # Of a line that a full disk cut off, it is told that it mentions her; a file that is another one is an error.
    (tmp_path / "rejects.jsonl").write_text(
        f'{{}}\n\n{{"given": {{"email": "{ADA}", "na\n{{"key": {{"email": "eve@\n'
    )
    cut = run("export", "--email", ADA, "--out", "two", **settings)
    assert cut.status == 0, cut.err
    manifest, categories = _read(tmp_path / "two")
    omitted = {each["category"]: each["reason"] for each in manifest["omissions"]}
    assert omitted["rejects/rejects"].startswith(
        "1 lines that are about others, or about several people, or were cut"
    )
    assert "rejects/rejects" not in categories
    (tmp_path / "rejects.jsonl").write_text("{}\nname,email\n")
    broken = run("export", "--email", ADA, "--out", "three", **settings)
    assert broken.status == 1
    assert "line 2 is no JSON object" in broken.err
    assert not (tmp_path / "three").exists()
