"""Strings of the IAB's own libraries and specifications, strings of our own, and strings of nobody's."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from consent_bits import LETTERS, base64url, core, entries, header, number, vendors

from map_consent_strings.decoding.bits import Bits
from map_consent_strings.decoding.choices import OptOut, Scheme, TcfChoices, UndecodableError
from map_consent_strings.decoding.strings import MAX_LENGTH, decode
from map_consent_strings.decoding.tcf import MAX_VENDORS
from map_consent_strings.decoding.us_sections import SECTIONS

VECTORS: Mapping[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())
"""Written by vectors.mjs with the IAB's libraries."""
NOBODY = base64url(number(1, 3) + vendors((), as_ranges=False))
"""A segment by which nobody was shown."""
EUROPE = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"


def tcf(text: str) -> TcfChoices:
    found = decode(text).tcf
    assert found is not None
    return found


def why_not(text: str) -> str:
    with pytest.raises(UndecodableError) as fault:
        decode(text)
    return str(fault.value)


@pytest.mark.parametrize("vector", VECTORS["tcf"], ids=lambda vector: vector["created"][:10])
def test_tc_strings_say_what_the_iabs_library_reads(vector: dict[str, Any]) -> None:
    found = tcf(vector["text"])
    shown = None if vector["disclosed"] is None else {*vector["disclosed"]}
    assert found.created_at == datetime.fromisoformat(vector["created"])
    assert (found.cmp_id, found.policy_version, found.publisher_country) == (
        vector["cmp_id"],
        vector["policy"],
        vector["country"],
    )
    assert (found.is_service_specific, found.purpose_one_treatment) == (
        vector["service_specific"],
        vector["purpose_one"],
    )
    assert [*found.special_features] == vector["features"]
    assert [*found.purposes] == vector["purposes"]
    assert [*found.legitimate_interest_purposes] == vector["interests"]
    assert [*found.vendors] == [each for each in vector["vendors"] if shown is None or each in shown]
    assert [*found.legitimate_interest_vendors] == [
        each for each in vector["interest_vendors"] if shown is None or each in shown
    ]
    assert (None if found.disclosed_vendors is None else [*found.disclosed_vendors]) == vector["disclosed"]
    told = sorted(
        (each.purpose, each.type.value, [v for first, last in each.vendors for v in range(first, last + 1)])
        for each in found.restrictions
    )
    assert told == sorted(map(tuple, vector["restrictions"]))
    against = {(vendor, purpose) for purpose, kind, ids in told if kind != 1 for vendor in ids}
    assert {*found.refused} == {pair for pair in against if pair[0] in found.vendors and pair[1] in found.purposes}


def test_some_of_the_vectors_restrict_what_has_consent() -> None:
    assert sum(bool(tcf(vector["text"]).refused) for vector in VECTORS["tcf"]) == 2


@pytest.mark.parametrize("name", sorted(section.name for section in SECTIONS.values()))
def test_gpp_strings_say_what_the_iabs_library_reads(name: str) -> None:
    vectors = [vector for vector in VECTORS["gpp"] if vector["section"] == name]
    assert len(vectors) == 6
    for vector in vectors:
        found = decode(vector["text"])
        children = vector["children"] if isinstance(vector["children"], list) else [vector["children"]]
        expected = {
            OptOut.SALE: vector["sale"] == 1,
            OptOut.SHARING: vector["sharing"] == 1,
            OptOut.TARGETED_ADVERTISING: vector["targeted"] == 1,
            OptOut.KNOWN_CHILD: 1 in children,
            OptOut.GPC: vector["gpc"] is True,
        }
        assert (found.scheme, found.sections, found.tcf) == (Scheme.GPP, (name,), None)
        assert found.opted_out == frozenset(each for each in expected if expected[each]), vector["text"]


def test_every_section_of_the_iabs_library_is_known() -> None:
    assert {number for vector in VECTORS["gpp"] for number in vector["ids"]} == {*SECTIONS}


def test_a_gpp_string_of_several_sections() -> None:
    found = decode(VECTORS["several"]["text"])
    assert found.sections == ("tcfeuv2", "tcfcav1", "uspv1", "usnat", "usca")
    assert found.opted_out == frozenset({OptOut.SALE, OptOut.SHARING})
    assert found.tcf
    assert (found.tcf.cmp_id, found.tcf.purposes, found.tcf.disclosed_vendors) == (31, (1, 3), ())
    assert found.tcf.vendors == ()  # 12 and 14 have consent, and were shown to nobody


@pytest.mark.parametrize(("policy", "expected"), [(4, (12, 14)), (5, ())])
def test_who_was_shown_is_told_since_tcf_2_3(policy: int, expected: tuple[int, ...]) -> None:
    """The libraries write an empty list of those who were shown into strings that are older, too."""
    found = tcf(f"{core(policy=policy, consents=vendors([12, 14], as_ranges=False))}.{NOBODY}")
    assert (found.disclosed_vendors, found.vendors) == ((), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The examples of the GPP's specification, whose headers are filled up in two ways.
        (f"DBABM~{EUROPE}", (("tcfeuv2",), None)),
        (f"DBABMA~{EUROPE}", (("tcfeuv2",), None)),
        (f"DBACNY~{EUROPE}~1YNN", (("tcfeuv2", "uspv1"), set())),
        (f"DBACNYA~{EUROPE}~1YYN", (("tcfeuv2", "uspv1"), {OptOut.SALE})),
        (f"DBABjw~{EUROPE}~1YNN", (("tcfcav1", "uspv1"), set())),
        ("DBAA", ((), None)),
        # Of the tests of the IAB's Java library: a national section of the first version, with the browser's wish.
        (
            f"{header([7])}~BVVVkkkklWA.YA",
            (
                ("usnat",),
                {OptOut.SALE, OptOut.SHARING, OptOut.TARGETED_ADVERTISING, OptOut.KNOWN_CHILD, OptOut.GPC},
            ),
        ),
        (f"{header([7])}~BAAAAAAAAQA.QA", (("usnat",), set())),
    ],
)
def test_published_gpp_strings(text: str, expected: tuple[tuple[str, ...], set[OptOut] | None]) -> None:
    found = decode(text)
    assert (found.sections, found.opted_out) == expected


def test_published_tc_strings() -> None:
    """Of the tests of the IAB's Java library."""
    found = tcf("COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA")
    assert found.created_at == datetime(2020, 1, 26, 17, 1, tzinfo=UTC)
    assert found.updated_at == datetime(2021, 2, 2, 17, 1, tzinfo=UTC)
    assert (found.cmp_id, found.cmp_version, found.vendor_list_version, found.policy_version) == (675, 2, 15, 2)
    assert (found.special_features, found.purposes, found.legitimate_interest_purposes) == ((1,), (2, 10), (2, 9))
    assert found.purpose_one_treatment
    found = tcf(
        "COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA"
        ".IBAgAAAgAIAwgAgAAAAEAAAACA.QAagAQAgAIAwgA.cAAAAAAAITg="
    )
    assert found.purposes == (3, 4, 5, 6, 7, 8, 9)
    assert found.vendors == (23, 37, 47, 48, 53, 65, 98)
    assert found.disclosed_vendors == (23, 37, 47, 48, 53, 65, 98, 129)
    assert tcf("COv__-wOv__-wC2AAAENAPCgAAAAAAAAAAAAA_wAQA_gEBABAEAAAA").legitimate_interest_vendors == (128,)


NUMBERS = st.sets(st.integers(1, 24))
IDS = st.sets(st.integers(1, 70) | st.integers(1, 2_000), max_size=40)
RANGES = st.lists(st.tuples(st.integers(1, 2_000), st.integers(0, 500)), max_size=4).map(
    lambda pairs: [(first, first + more) for first, more in pairs]
)
WRITTEN = st.fixed_dictionaries(
    {
        "purposes": NUMBERS,
        "interests": NUMBERS,
        "vendors": IDS,
        "interest_vendors": IDS,
        "disclosed": st.none() | IDS,
        "restrictions": st.lists(st.tuples(st.integers(1, 24), st.integers(0, 2), RANGES), max_size=5),
        "as_ranges": st.booleans(),
    }
)


@settings(max_examples=60)
@given(WRITTEN)
def test_what_is_written_is_read(written: dict[str, Any]) -> None:
    purposes, ids, disclosed = written["purposes"], written["vendors"], written["disclosed"]
    as_ranges = written["as_ranges"]
    text = core(
        purposes=purposes,
        interests=written["interests"],
        consents=vendors(ids, as_ranges=as_ranges),
        interest_vendors=vendors(written["interest_vendors"], as_ranges=not as_ranges),
        restrictions=written["restrictions"],
    )
    if disclosed is not None:
        text += "." + base64url(number(1, 3) + vendors(disclosed, as_ranges=as_ranges))
    found = tcf(text)
    assert {*found.purposes} == purposes
    assert {*found.legitimate_interest_purposes} == written["interests"]
    assert {*found.vendors} == (ids if disclosed is None else ids & disclosed)
    assert {*found.legitimate_interest_vendors} == (
        written["interest_vendors"] if disclosed is None else written["interest_vendors"] & disclosed
    )
    assert {*found.refused} == {
        (vendor, purpose)
        for purpose, kind, ranges in written["restrictions"]
        if purpose in purposes and kind in {0, 2}
        for vendor in found.vendors
        if any(first <= vendor <= last for first, last in ranges)
    }


def test_the_largest_id_there_can_be() -> None:
    assert tcf(core(consents=vendors([1, 65_535], as_ranges=True))).vendors == (1, 65_535)


@given(st.sets(st.sampled_from(sorted(SECTIONS)), min_size=1))
def test_a_header_names_its_sections_in_their_order(ids: set[int]) -> None:
    ordered = sorted(ids)
    assert Bits(header(ordered).removeprefix("DB")).fibonacci_ids(1_000) == tuple(ordered)


@pytest.mark.parametrize("text", [vector["text"] for vector in VECTORS["tcf"]], ids=lambda text: text[:12])
def test_what_is_cut_off_says_nothing_else(text: str) -> None:
    """Of a part of a string nothing is taken for consent: only what fills it up may be missing."""
    first, *_ = text.split(".", 1)
    whole = decode(first)
    for end in range(len(first)):
        try:
            assert decode(first[:end]) == whole
        except UndecodableError:
            continue


@settings(max_examples=300)
@given(
    st.text(max_size=60)
    | st.text(LETTERS + ".~=", max_size=80).map("C".__add__)
    | st.text(LETTERS + ".~", max_size=60).map("DB".__add__)
    | st.tuples(
        st.sampled_from(VECTORS["tcf"] + VECTORS["gpp"]), st.integers(0, 60), st.sampled_from(LETTERS)
    ).map(lambda drawn: drawn[0]["text"][: drawn[1]] + drawn[2] + drawn[0]["text"][drawn[1] + 1 :])
)
@example("DBA_____________")
@example("DBAB" + "A" * 200)
@example("٣YNN")
@example("\udcff")
def test_whatever_comes_is_read_or_told(text: str) -> None:
    try:
        found = decode(text)
    except UndecodableError:
        return
    assert found.scheme in Scheme


EVERYBODY = entries([(1, 65_535)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is neither a TC string nor a GPP string nor a US Privacy string"),
        ("granted", "it is neither a TC string nor a GPP string nor a US Privacy string"),
        ("C" + "A" * MAX_LENGTH, "it has more than 16,384 characters"),
        ("BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", "it is a TC string of version 1, and not of version 2"),
        ("CO äö", "it has characters that are not of base64url"),
        (core()[:40], "it ends too early"),
        (core() + ".", "a part of it is empty"),
        (core() + "." + base64url("00000000"), "it has a segment that is not known, or one twice"),
        (core() + 2 * f".{NOBODY}", "it has a segment that is not known, or one twice"),
        (core() + "_", "it goes on after its last field"),
        (core(consents=number(65_535, 16) + "1" + EVERYBODY), "it names more than 10,000 vendors"),
        (
            core(consents=number(9, 16) + "1" + entries([(1, 10)])),
            "it names a vendor beyond the largest that it says it names",
        ),
        (core(consents=number(9, 16) + "1" + entries([(5, 3)])), "it has a range of vendors that is none"),
        (core(consents=number(9, 16) + "1" + entries([(0, 0)])), "it has a range of vendors that is none"),
        (core(restrictions=[(1, 3, [])]), "it has a publisher's restriction of a type that is not known"),
        (
            core(
                purposes=range(1, 25),
                consents=number(MAX_VENDORS, 16) + "1" + entries([(1, MAX_VENDORS)]),
                restrictions=[(purpose, 0, [(1, 65_535)]) for purpose in range(1, 25)],
            ),
            "its publisher restricts more than 10,000 pairs of a vendor and a purpose",
        ),
        ("2YNN", "it is no US Privacy string of version 1"),
        ("1YNNN", "it is no US Privacy string of version 1"),
        (header([2], version=2) + "~" + EUROPE, "it is no GPP string of version 1"),
        (header([2]), "its header names other sections than it has"),
        (header([2]) + "~", "a part of it is empty"),
        (header([28]) + "~BAAAAAAA", "it has the section 28, which is not known"),
        (header([1_001]) + "~BAAAAAAA", "it names a section that no specification has"),
        (header([8]) + "~CUqKpEBA", "its section usca is of version 2, which is not known"),
        (header([8]) + "~B_qKpEBA", "its section usca has an answer that is none"),
        (header([8]) + "~BUqKpEBB", "it goes on after its last field"),
        (header([8]) + "~BUqKpEBA.AA", "its section usca has a segment that is not known"),
        (header([8]) + "~BUqKpEBA.QA.QA", "its section usca has a segment that is not known"),
        (header([9]) + "~BVoYZoA.QA", "its section usva has a segment that is not known"),
        (header([24]) + "~YVoYZoA", "its section usmd is of version 24, which is not known"),
    ],
)  # fmt: skip
def test_why_a_string_cannot_be_read(text: str, said: str) -> None:
    assert why_not(text) == said


def test_us_privacy_strings() -> None:
    assert decode("1YNN").opted_out == frozenset()
    assert decode("1---").opted_out == frozenset()
    assert decode(" 1nyn\n").opted_out == frozenset({OptOut.SALE})
    assert decode("1YYY").scheme is Scheme.US_PRIVACY


def test_a_few_characters_that_restrict_everybody_are_read_in_their_measure() -> None:
    """A thousand restrictions of all vendors are one of each purpose."""
    text = core(
        purposes=[2],
        consents=number(MAX_VENDORS, 16) + "1" + entries([(1, MAX_VENDORS)]),
        restrictions=[(2, 0, [(1, 65_535)])] * 1_000,
    )
    assert len(tcf(text).refused) == MAX_VENDORS
