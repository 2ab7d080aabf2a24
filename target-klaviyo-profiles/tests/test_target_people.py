"""People about whom nothing is written: whatever a record is of, and however it names them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sink_examples import any_record, examples, furnish, named

from singer_program.identifiers import compared
from singer_program.people_list import PeopleList, PeopleLists, line_of
from target_klaviyo_profiles.errors import ConfigurationError
from target_klaviyo_profiles.people import FORGOTTEN, RESTRICTED, People
from target_klaviyo_profiles.rows import Rejected
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.sinks.options import Options

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]
KEY = "a key that no test would guess, of 32"
ADA = {
    "id": "01JCX0A2MZ0Q5V8F4T8S1H8W2K",
    "email": "ada.o'brien+news@mail.example.net",
    "phone_number": "+442071838750",
    "external_id": "crm-42",
}
SPELLINGS: dict[str, list[object]] = {
    "id": [ADA["id"], f"  {ADA['id']}\n"],
    "email": [
        ADA["email"],
        "ADA.O'Brien+NEWS@Mail.Example.NET",
        f"\t{ADA['email']} ",
    ],
    "phone_number": ["+442071838750", "+44 (0)20 7183 8750", "+44.20.7183.8750", "\u2007+44-20-7183-8750"],
    "external_id": ["crm-42", " crm-42 "],
}
"""Ways to write them that Klaviyo, or a sink, takes for the same."""
MENTIONS: list[object] = [
    {"friend": "ada.o'brien+news@mail.example.net"},
    {"note": "called Ada O'Brien <ADA.O'BRIEN+NEWS@mail.example.net>, twice"},
    {"link": "https://shop.example/?e=ada.o'brien%2Bnews%40mail.example.net&x=1"},
    {"deep": [{"er": [[{"mobile": "0044 20 7183 8750"}]]}]},
    {"sms": "write to +44 20 7183 8750."},
    {"phone": 442071838750},
    {"profile": {"$id": "crm-42"}},
    {"customer": {"External-ID": "crm-42"}},
    {"json": '{"user_id": "crm-42"}'},
    {"merged_into": "profile 01JCX0A2MZ0Q5V8F4T8S1H8W2K"},
    {"01JCX0A2MZ0Q5V8F4T8S1H8W2K": True},
    {"ada.o'brien+news@mail.example.net": {"n": 1}},
]
BARRED = [sink for sink in SINKS if FORGOTTEN not in sink.written_about]
every_sink = pytest.mark.parametrize("sink", SINKS, ids=named)


def _lines(*kinds: str) -> list[str]:
    return [line_of(KEY, compared(kind, ADA[kind])) for kind in kinds or ADA]


def _people(name: str = FORGOTTEN) -> People:
    return People(PeopleLists(KEY, {name: PeopleList(int(line[:16], 16) for line in _lines())}))


@pytest.fixture
def lists(tmp_path: Path) -> Callable[..., Json]:
    """Write lists of lines; the settings that name them."""

    def lists(**of: list[str]) -> Json:
        for name, lines in of.items():
            path = tmp_path / f"{name}.txt"
            path.write_text("".join(f"{line}\n" for line in lines))
            path.chmod(0o600)
        return {"forgotten_key": KEY, **{f"{name}_path": str(tmp_path / f"{name}.txt") for name in of}}

    return lists


def _naming_ada(sink: type[Sink]) -> Iterator[Json]:
    """Records of a sink that name her, by every field that can and in every spelling."""
    made = examples(sink)
    good = made.record(0)
    for each in sink.fields:
        kind = {"profile_id": "id"}.get(each.name, each.name)
        for spelling in SPELLINGS.get(kind, []):
            yield {**good, each.name: spelling}
        if each.kind == "object":
            for mention in MENTIONS:
                yield {**good, each.name: mention}
                yield {**good, each.name: json.dumps(mention)}


@every_sink
def test_no_record_that_names_somebody_who_was_forgotten_becomes_a_row(sink: type[Sink]) -> None:
    strict = sink(Options(allow_deletions=True, people=_people(RESTRICTED)))
    count = 0
    for record in _naming_ada(sink):
        with pytest.raises(Rejected) as caught:
            strict.row(record)
        assert caught.value.reason.code == RESTRICTED, record
        count += 1
    assert count or sink.stream in {"templates", "campaign_message_templates"}


@every_sink
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_else_a_record_holds_she_is_found_in_it(sink: type[Sink], data: st.DataObject) -> None:
    record = data.draw(any_record(sink))
    field = data.draw(st.sampled_from(sink.fields))
    inner: object = data.draw(st.sampled_from([*SPELLINGS["email"], *SPELLINGS["id"], *MENTIONS]))
    for name in data.draw(st.lists(st.text(max_size=5), max_size=3)):
        inner = {"x": 1, name: inner} if data.draw(st.booleans()) else [None, inner]
    told = sink(Options(people=_people())).refusal({**record, field.name: inner})
    if sink.stream == "profile_deletions":
        assert told is None
    else:
        assert told is not None
        assert told.reason.code == FORGOTTEN


@every_sink
def test_nobody_else_is_refused(sink: type[Sink]) -> None:
    made = examples(sink)
    strict = sink(Options(allow_deletions=True, clearable_fields=sink.clearable, people=_people()))
    assert made.variants()
    for record in made.variants():
        assert strict.row(record) == made.sink.row(record)


@pytest.mark.parametrize("sink", BARRED, ids=named)
def test_what_reaches_klaviyo_names_nobody_who_was_forgotten(
    sink: type[Sink], sandbox: Sandbox, load: Load, messages: Messages, lists: Callable[..., Json]
) -> None:
    """Records of everybody, hers between them, in one run: what she is known by stands in no request."""
    existing = furnish(sandbox)
    ada = existing["profile_id"][0]
    mine = [line_of(KEY, compared("id", ada)), *_lines()]
    made = examples(sink, existing)
    record = made.record(1)
    records = [record, *_naming_ada(sink), made.record(2)]
    records += [
        {**record, name: ada} for name in ("id", "profile_id") if name in {each.name for each in sink.fields}
    ]
    run = load(messages(records, stream=sink.stream), revision=sink.revision(), **lists(forgotten=mine))
    assert run.error is None
    tally = run.tallies[sink.stream]
    assert tally.withheld == ({FORGOTTEN: len(records) - 2} if len(records) > 2 else {})
    assert tally.accepted + tally.unchanged + tally.combined == 2
    assert tally.rejected == {}
    assert run.states[-1] == {"at": "end"}
    sent = str(sandbox.received).lower()
    assert any(str(value).lower() in sent for value in record.values())
    for value in (ada, *ADA.values(), "o'brien"):
        assert value.lower() not in sent


def test_somebody_who_was_forgotten_and_came_back_is_deleted_again(
    sandbox: Sandbox, load: Load, messages: Messages, lists: Callable[..., Json]
) -> None:
    email = str(sandbox.store.read("select email from profiles order by id")[0][0])
    mine = [line_of(KEY, compared("email", email))]
    record = messages([{"email": email.upper()}], stream="profile_deletions")
    assert load(record, **lists(restricted=mine), allow_deletions=True).tallies["profile_deletions"].withheld == {
        RESTRICTED: 1
    }
    both = lists(forgotten=mine, restricted=mine)
    assert load(record, **both, allow_deletions=True).tallies["profile_deletions"].withheld == {RESTRICTED: 1}
    assert load(record, **lists(forgotten=mine), allow_deletions=True).tallies["profile_deletions"].accepted == 1


def test_what_is_told_of_a_refusal_tells_nothing_of_the_person(
    load: Load, messages: Messages, lists: Callable[..., Json], tmp_path: Path
) -> None:
    """Not even where the rejects file may hold personal data, nor of a record that is wrong in itself."""
    wrong = {"email": ADA["email"], "properties": "no object"}
    unknown = {"email": ADA["email"], "title": 7.5}
    run = load(messages([{**ADA, "first_name": "Augusta"}, wrong, unknown]), **lists(forgotten=_lines("email")))
    assert [each["code"] for each in run.rejects] == [FORGOTTEN] * 3
    assert run.rejects[0]["key"] == {"line": _lines("email")[0][:16]}
    assert [each["record"] for each in run.rejects] == [1, 2, 3]
    told = (tmp_path / "rejects.jsonl").read_text() + run.log
    for value in ("Augusta", "brien", *ADA.values()):
        assert value not in told
    assert "3 withheld" in run.log


def test_a_record_that_a_stream_map_fails_on_is_refused_as_hers(
    load: Load, messages: Messages, lists: Callable[..., Json]
) -> None:
    run = load(
        messages([{"email": ADA["email"], "title": "x"}]),
        stream_maps={"profiles": {"title": "str(int(title))"}},
        **lists(forgotten=_lines("email")),
    )
    assert [each["code"] for each in run.rejects] == [FORGOTTEN]


def test_it_fails_no_run(load: Load, messages: Messages, lists: Callable[..., Json]) -> None:
    """As it is wished: neither alone, nor among others, nor where any refusal is a failure."""
    mine = lists(forgotten=_lines())
    for records in ([ADA], [ADA, {"external_id": "crm-43"}]):
        run = load(messages(records), **mine, on_reject="fail", max_reject_ratio=0)
        assert run.error is None
        assert run.states == [{"at": "end"}]
    # One of two that might have been written: those that may not do not make it look like less.
    run = load(
        messages([{"external_id": "a"}, {"email": "no address"}, *[ADA] * 100]), **mine, max_reject_ratio=0.4
    )
    assert "50.0% of the records were refused" in str(run.error)


def test_nothing_is_remembered_of_her_as_sent(
    sandbox: Sandbox, load: Load, messages: Messages, lists: Callable[..., Json]
) -> None:
    """Once a restriction is lifted, the same record is written."""
    event = {"metric": "Seen", "external_id": "crm-42", "time": "2026-10-01T12:00:00Z"}
    listed = messages([event], stream="events")
    for _ in range(2):
        assert load(listed, **lists(restricted=_lines("external_id")), resend_refused_after=24).tallies[
            "events"
        ].withheld == {RESTRICTED: 1}
    assert not sandbox.received
    assert load(listed, **lists(restricted=[]), resend_refused_after=24).tallies["events"].accepted == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"forgotten_key": None}, "the setting `forgotten_path` needs `forgotten_key`"),
        ({"forgotten_path": None}, "the setting `forgotten_key` is the key of a list that is not named"),
        ({"forgotten_key": "short"}, "fewer than 32 characters"),
        ({"forgotten_key": f" {KEY}"}, "or blanks around it"),
        ({"forgotten_path": "nowhere/list.txt"}, "cannot be read (No such file or directory)"),
        ({"forgotten_path": "."}, "cannot be read (Is a directory)"),
        (
            {"restricted_path": "nowhere/list.txt"},
            "the setting `restricted_path`, 'nowhere/list.txt', cannot be read",
        ),
    ],
)
def test_where_it_is_not_known_who_is_on_a_list_nothing_is_read(
    wrong: Json, told: str, load: Load, lists: Callable[..., Json]
) -> None:
    def lines() -> Iterator[Json]:
        pytest.fail("a line was read")
        yield {}

    with pytest.raises(ConfigurationError, match=r".") as caught:
        load(lines(), **{**lists(forgotten=_lines()), **wrong})
    assert told in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("line", ["ada@mail.example.net", "ab" * 31, "zz" * 32, f"{'ab' * 32} ada", "ab" * 3_000])
def test_a_line_that_is_no_hash_stops_the_run(line: str, load: Load, lists: Callable[..., Json]) -> None:
    with pytest.raises(ConfigurationError, match="line 5 is not the hash of anybody") as caught:
        load([], **lists(forgotten=[*_lines(), line]))
    assert line not in str(caught.value)


def test_lists_of_any_making_are_read(
    load: Load, messages: Messages, lists: Callable[..., Json], tmp_path: Path
) -> None:
    """Upper case, other ends of lines, blank ones, a line twice, no end of the last; and who may read it."""
    given_ = lists(forgotten=[])
    path = tmp_path / "forgotten.txt"
    path.write_bytes("\r\n".join(["", _lines("email")[0].upper(), "", *_lines("phone_number") * 2]).encode())
    path.chmod(0o640)
    run = load(messages([{"email": ADA["email"]}, {"phone_number": ADA["phone_number"]}]), **given_)
    assert run.tallies["profiles"].withheld == {FORGOTTEN: 2}
    assert "the list of `forgotten_path` can be read by others than its owner: chmod 600" in run.log
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
