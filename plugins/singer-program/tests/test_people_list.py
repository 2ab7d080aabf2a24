"""Lists of people as keyed hashes, and where people stand in a record."""

from __future__ import annotations

import hashlib
import hmac
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singer_program.errors import ProgramError
from singer_program.identifiers import KINDS, Identifier, compared, kind_named, mentioned_in, named_in
from singer_program.people_list import PeopleList, PeopleLists, line_of, open_to_others, read_list, settings_faults

KEY = "0123456789abcdef" * 2


def _lists(*identifiers: Identifier) -> PeopleLists:
    lines = [int(line_of(KEY, each)[:16], 16) for each in identifiers]
    return PeopleLists(KEY, {"forgotten": PeopleList(lines)})


def test_a_line_is_what_any_other_program_would_make_it() -> None:
    expected = hmac.new(KEY.encode(), b"email:ada@example.com", hashlib.sha256).hexdigest()
    assert line_of(KEY, compared("email", " Ada@Example.com\n")) == expected
    expected = hmac.new(KEY.encode(), b"phone_number:+442071838750", hashlib.sha256).hexdigest()
    assert line_of(KEY, compared("phone_number", "+44 (0)20 7183 8750")) == expected
    expected = hmac.new(KEY.encode(), b"external_id:Crm-42", hashlib.sha256).hexdigest()
    assert line_of(KEY, compared("external_id", " Crm-42")) == expected
    for kind, value in (("name", "Ada"), ("email", " ")):
        with pytest.raises(ValueError, match=kind):
            compared(kind, value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("email", "email"),
        ("Contact E-Mail", "email"),
        ("billing_email_address", "email"),
        ("Phone-Number", "phone_number"),
        ("$phone_number", "phone_number"),
        ("$id", "external_id"),
        ("userId", "external_id"),
        ("profile_id", "id"),
        ("id", "id"),
        ("product_id", None),
        ("emails_sent", None),
        ("paid", None),
    ],
)
def test_names_that_say_what_they_hold(name: str, kind: str | None) -> None:
    assert kind_named(name) == kind


ADA = Identifier("email", "o'ada+1@mail.example.com")
PHONE = Identifier("phone_number", "+442071838750")


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("O'Ada+1@Mail.Example.com", ADA),
        ("o'ada+1@mail.example.com.", ADA),
        ("<p>write to 'O'ADA+1@mail.example.com', or not</p>".replace("'O", " O").replace("m'", "m "), ADA),
        ("mailto:o'ada+1@mail.example.com?subject=x", ADA),
        ("a@b.example;o'ada+1@mail.example.com", ADA),
        ("https://x.example/?a=1&e=o'ada%2B1%40mail.example.com#y", ADA),
        ("'bob@mail.example.com'", Identifier("email", "bob@mail.example.com")),
        ("ada@bücher.example", Identifier("email", "ada@bücher.example")),
        ("call +44 20 7183-8750 now", PHONE),
        ("0044 20 7183 8750", PHONE),
        ("442071838750", PHONE),
        ("tel:+442071838750", PHONE),
        ("+٤٤٢٠٧١٨٣٨٧٥٠", PHONE),
        ("seen 01JCX0A2MZ0Q5V8F4T8S1H8W2K", Identifier("id", "01JCX0A2MZ0Q5V8F4T8S1H8W2K")),
    ],
)
def test_a_text_is_searched(text: str, identifier: Identifier) -> None:
    lists = _lists(identifier)
    assert lists.mentioned({"x": {"y": [text]}})
    assert lists.mentioned({"x": {text: 1}})
    assert not lists.about({"x": {"y": [text]}})
    assert not _lists(identifier._replace(value=f"{identifier.value}x")).mentioned({"x": text})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from(KINDS),
    st.sampled_from(["1", "crm-42", "x@y", "+1 2", "a b"]),
)
def test_any_value_can_be_searched(value: object, kind: str, name: str) -> None:
    record = {"first": value, "deep": [{kind if kind != "id" else "profile_id": name}, value]}
    assert compared(kind, name) in {each.identifier for each in named_in(record)}
    assert {*named_in(record)} <= {*mentioned_in(record)}


def test_what_is_long_or_deep_takes_no_longer_than_it_must() -> None:
    """Each of these would take minutes where time grew with the square of the length."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for text in ("x" * 200_000 + "@", "1 " * 100_000, "@" * 4_000, "+" * 200_000, "[" * 100_000, "%40" * 4_000):
        assert not _lists(ADA).mentioned({"x": text, "phone": text, "email": text})
    assert not _lists(ADA).mentioned({"x": deep})


def test_the_first_of_several_lists_is_told_whichever_member_names_it() -> None:
    one, two = compared("email", "a@b.example"), compared("external_id", "1")
    lists = {name: PeopleList([int(line_of(KEY, each)[:16], 16)]) for name, each in (("one", one), ("two", two))}
    record = {"external_id": "1", "email": "a@b.example"}
    found = PeopleLists(KEY, lists).mentioned(record)
    assert found
    assert (found.name, found.member, found.line) == ("one", "email", line_of(KEY, one)[:16])
    found = PeopleLists(KEY, lists).mentioned(record, {"one"})
    assert found
    assert found.name == "two"


def test_a_long_list_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("".join(f"{number:016x}{'0' * 48}\n" for number in range(0, 400_000, 2)))
    tracemalloc.start()
    people = read_list(path, "forgotten_path")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(people) == 200_000
    assert held < 200_000 * 12
    for number in (0, 399_998, 200_000):
        assert people.holds(number.to_bytes(8) + b"any")
        assert not people.holds((number + 1).to_bytes(8))


def test_a_list_of_nobody_is_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.touch(mode=0o600)
    assert len(read_list(path, "forgotten_path")) == 0
    assert not open_to_others(path)
    path.chmod(0o604)
    assert open_to_others(path)
    with pytest.raises(ProgramError, match="cannot be read"):
        read_list(tmp_path / "none", "forgotten_path")


def test_settings_belong_together() -> None:
    paths = {"forgotten_path": "a", "restricted_path": None}
    assert settings_faults("forgotten_key", KEY, paths) == []
    assert settings_faults("forgotten_key", None, dict.fromkeys(paths)) == []
    assert len(settings_faults("forgotten_key", None, dict.fromkeys(paths, "a"))) == 2
    assert "is not named" in settings_faults("forgotten_key", KEY, dict.fromkeys(paths))[0]
    for weak in ("", "x" * 31, f"{KEY}\n"):
        assert "openssl rand" in settings_faults("forgotten_key", weak, paths)[0]
