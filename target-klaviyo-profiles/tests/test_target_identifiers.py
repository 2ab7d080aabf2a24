"""Who a record is about."""

from __future__ import annotations

import pytest
from email_validator import validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.identifiers import InvalidIdentifier, Key

ALL = {"id": "01J", "external_id": "crm-1", "email": "a@b.co", "phone_number": "+14155552671"}


@pytest.mark.parametrize("missing", range(len(identifiers.PRECEDENCE)))
def test_the_first_of_the_precedence_counts(missing: int) -> None:
    kinds = identifiers.PRECEDENCE[missing:]
    assert identifiers.first({kind: ALL[kind] for kind in reversed(kinds)}) == Key(kinds[0], ALL[kinds[0]])


def test_blank_text_is_no_identifier_and_spaces_around_one_are_not_part_of_it() -> None:
    assert identifiers.first({"id": "", "external_id": " \t", "email": " a@b.co "}) == Key("email", "a@b.co")
    assert identifiers.first({"id": "", "first_name": "Ada"}) is None


def test_addresses_are_compared_without_regard_to_case_and_ids_are_not() -> None:
    assert identifiers.compared(Key("email", "Ada@B.co")) == Key("email", "ada@b.co")
    assert identifiers.compared(Key("external_id", "CRM")) == Key("external_id", "CRM")


@pytest.mark.parametrize(
    "address",
    ["a@b.co", "A.b+c@Mail.Example.com", "x_y@a-b.museum", "ünï@bücher.de", "a@xn--bcher-kva.de", "1@2.cc"],
)
def test_addresses_that_pass(address: str) -> None:
    assert identifiers.sent_as(Key("email", address)) == address


@pytest.mark.parametrize(
    "address",
    [
        "no-at-sign",
        "a@b",
        "a b@c.co",
        "a..b@c.co",
        ".a@c.co",
        "a@c..co",
        "a@-c.co",
        "a@c.co,b@c.co",
        "Ada <a@c.co>",
        "a@[10.0.0.1]",
        "a@c.co\n",
        "a@c_d.co",
        "a@b.123",
        "a@ab--c.co",
        "a@host.local",
        "a@host.invalid",
        f"{'a' * 64}@{'b' * 40}.co",
    ],
)
def test_addresses_that_would_sink_a_job(address: str) -> None:
    with pytest.raises(InvalidIdentifier) as caught:
        identifiers.sent_as(Key("email", address))
    assert address not in str(caught.value)


_LOCALS = st.text("aZ9_+-.", min_size=1, max_size=30)
_DOMAINS = st.lists(st.text("aZ9-", min_size=1, max_size=8), min_size=1, max_size=3).map(".".join)
_TOPS = st.sampled_from(
    ["co", "COM", "museum", "local", "test", "arpa", "onion", "x1", "c", "in-valid", "invalid"]
)


@given(local=_LOCALS, domain=_DOMAINS, top=_TOPS)
@example(local="a", domain="xn--a", top="co")
@example(local="a", domain="b", top="LOCAL")
def test_what_the_shortcut_lets_pass_the_library_lets_pass(local: str, domain: str, top: str) -> None:
    address = f"{local}@{domain}.{top}"
    if identifiers._PLAIN_EMAIL.fullmatch(address):
        validate_email(address, check_deliverability=False)


@pytest.mark.parametrize(
    ("given", "sent"),
    [("+14155552671", "+14155552671"), ("+1 (415) 555-2671", "+14155552671"), ("+45 32 12 34 56", "+4532123456")],
)
def test_phone_numbers_are_sent_in_e164(given: str, sent: str) -> None:
    assert identifiers.sent_as(Key("phone_number", given)) == sent


@pytest.mark.parametrize(
    "number", ["4155552671", "+1", "+1415555", "+999123456789", "call me", "+14155552671x", ""]
)
def test_numbers_that_would_sink_a_job(number: str) -> None:
    with pytest.raises(InvalidIdentifier) as caught:
        identifiers.sent_as(Key("phone_number", number))
    assert not number or number not in str(caught.value)


def test_personal_keys_are_masked_whatever_they_are_called() -> None:
    hashed = Key("email", "sha256:80305c9bb1bb2480e03894350e0a8a366dcbdeb302e69e0817aa0743abd77054")
    assert Key("email", "a@b.co").masked() == hashed
    assert Key("external_id", "a@b.co").masked() == hashed._replace(kind="external_id")
    assert Key("id", "01J").masked() == Key("id", "01J")
