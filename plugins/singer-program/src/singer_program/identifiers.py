"""What people are known by at Klaviyo, how it is compared, and where it stands in a JSON value of any shape.

Four kinds: `id` (Klaviyo's own), `email`, `phone_number` and `external_id` (yours). Needs the extra `people`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import phonenumbers

KINDS = ("id", "email", "phone_number", "external_id")
"""As they stand in the keyed hashes of a list of people, and in this order in what is shown."""

LONGEST = 4_096
"""Characters of a text that is taken for a single identifier; in a longer one, they are only looked for."""


class Identifier(NamedTuple):
    """What somebody is known by: its kind, and its value as it is compared."""

    kind: str
    value: str


class Found(NamedTuple):
    """An identifier, and the member of the record that it stands in, at whatever depth."""

    member: str
    identifier: Identifier


def compared(kind: str, value: str) -> Identifier:
    """The identifier of a value: trimmed; an e-mail address in lower case, a phone number in E.164 if it is one.

    Raises:
        ValueError: there is no such kind, or nothing but blanks was given.
    """
    text = value.strip()
    if kind not in KINDS or not text:
        msg = f"`{kind}` is none of {', '.join(KINDS)}" if text else f"`{kind}` is empty"
        raise ValueError(msg)
    if kind == "email":
        return Identifier(kind, text.lower())
    return Identifier(kind, (e164(text) or text) if kind == "phone_number" else text)


def e164(number: str, country: str | None = None) -> str | None:
    """A phone number in E.164; None of what names no country or is no number.

    Args:
        number: As it is written.
        country: ISO 3166's two letters of where one without its country's code is from: a guess, and so nothing
            comes of a number that this country does not assign.
    """
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if country is not None and not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def named_in(record: Mapping[str, object]) -> Iterator[Found]:
    """The identifiers in members, at any depth, whose names say that they are some.

    Such as `email`, `Phone-Number`, `$id`. A member `id` is taken for one of Klaviyo's. Names are compared without
    case, blanks and punctuation.
    """
    return _found(record, everywhere=False)


def mentioned_in(record: Mapping[str, object]) -> Iterator[Found]:
    """Those of `named_in`, and what looks like one in any other text, number or name of a member.

    That is: e-mail addresses, also in the middle of a text or encoded in an address; phone numbers with their
    country's code; Klaviyo's ids of 26 characters. An `external_id` has no look of its own: it counts under its
    names alone.
    """
    return _found(record, everywhere=True)


_ID_NAMES = frozenset({"id", "profileid", "klaviyoid", "klaviyoprofileid", "kid"})
_EXTERNAL_ID_NAMES = frozenset({"externalid", "userid", "customerid", "anonymousid"})
_PHONE_NAMES = frozenset({"mobile", "mobilenumber", "msisdn", "tel", "telephone"})
_NO_LETTER = re.compile(r"[\W_]+")

_BESIDE_ADDRESSES = (re.compile(r"""[\s<>(),;:"\[\]\\@]+"""), re.compile(r"[^\w.+'-]+"), re.compile(r"[^\w.+-]+"))
"""What ends an address in a text: what none may hold, and what few do."""
_PLAIN_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9._+-]{0,62}@[A-Za-z.-]{1,190}")
_LONGEST_ADDRESS = 320
_NUMBER = re.compile(r"\+?[\s()./-]{0,3}\d[\d\s()./-]{5,40}\d")
_OF_KLAVIYO = "01[0-9A-HJKMNP-TV-Z]{24}"
KLAVIYO_ID = re.compile(rf"\b{_OF_KLAVIYO}\b")
"""An id that Klaviyo gave to a profile, by its look."""
_WORTH_A_LOOK = re.compile(rf"@|%40|\d[\d\s()./-]{{5}}|{_OF_KLAVIYO}")
"""What has nothing of this holds no identifier that shows by its look; most texts are done with here."""
_FEWEST_DIGITS, _MOST_DIGITS = 7, 15
_EXACT = 2**53


@lru_cache(maxsize=4_096)
def kind_named(name: str) -> str | None:
    """The kind of identifier that a member or a column of this name holds; None if it says none."""
    if name == "$id":  # Klaviyo's older name of your id
        return "external_id"
    plain = _NO_LETTER.sub("", name).lower()
    if plain in _ID_NAMES:
        return "id"
    if plain in _EXTERNAL_ID_NAMES:
        return "external_id"
    if plain.endswith(("email", "emailaddress")) or plain == "mail":
        return "email"
    return "phone_number" if plain in _PHONE_NAMES or "phone" in plain else None


def _found(record: Mapping[str, object], *, everywhere: bool) -> Iterator[Found]:
    for member, value in record.items():
        for identifier in _in_member(member, value, everywhere=everywhere):
            yield Found(member, identifier)


def _in_member(name: str, value: object, *, everywhere: bool) -> Iterator[Identifier]:
    """Not by recursion: a value may be nested deeper than Python can follow."""
    left: list[tuple[str, object]] = [(name, value)]
    while left:
        name, value = left.pop()
        if everywhere and _WORTH_A_LOOK.search(name):
            yield from _in_text(name, None)
        if isinstance(value, dict):
            left += [(str(inner), each) for inner, each in value.items()]
            continue
        if isinstance(value, list | tuple):
            left += [(name, each) for each in value]
            continue
        text = _text(value)
        if not text:
            continue
        kind = kind_named(name)
        if kind or (everywhere and _WORTH_A_LOOK.search(text)):
            yield from _in_text(text, kind, everywhere=everywhere)
        if text[0] in "{[":
            left += [(name, each) for each in _parsed(text)]


def _parsed(text: str) -> Iterable[object]:
    """What a text says that is JSON: warehouses without a type for objects keep them so."""
    try:
        return (json.loads(text),)
    except (ValueError, RecursionError):
        return ()


def _text(value: object) -> str:
    """A text trimmed, a whole number as its digits, as they are sent; nothing of anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else ""
    return str(value)


def _in_text(text: str, kind: str | None, *, everywhere: bool = True) -> Iterator[Identifier]:
    """The identifiers that a text is, by the name of its member, and those that it holds."""
    if _PLAIN_ADDRESS.fullmatch(text):  # nearly every address: it holds no other
        yield Identifier("email", text.lower())
        if kind in {None, "email"}:
            return
    if kind and len(text) <= LONGEST:
        yield Identifier(kind, text.lower() if kind == "email" else text)
    if "%40" in text:
        text = unquote(text)
    if "@" in text and (everywhere or kind == "email"):
        for address in _addresses(text):
            yield Identifier("email", address.lower())
    if everywhere or kind == "phone_number":
        yield from _numbers(text, named=kind == "phone_number")
    if everywhere or kind == "id":
        for match in KLAVIYO_ID.finditer(text):
            yield Identifier("id", match.group())


def _addresses(text: str) -> set[str]:
    """What may be an e-mail address in a text, around every `@`."""
    found = {text} if len(text) <= _LONGEST_ADDRESS else set()
    at = text.find("@")
    while at >= 0:
        before, after = text[max(0, at - _LONGEST_ADDRESS) : at], text[at + 1 : at + 1 + _LONGEST_ADDRESS]
        for end in _BESIDE_ADDRESSES:
            local, domain = end.split(before)[-1], end.split(after, maxsplit=1)[0]
            found.add(f"{local.lstrip('.')}@{domain.rstrip('.')}")
        at = text.find("@", at + 1)
    return found


def _numbers(text: str, *, named: bool) -> Iterator[Identifier]:
    if named and len(text) <= LONGEST and (number := e164(text)):
        yield Identifier("phone_number", number)
    for match in _NUMBER.finditer(text):
        written = match.group()
        digits = "".join(str(int(each)) for each in written if each.isdecimal())
        if not _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS + 2:
            continue
        international = f"+{digits.removeprefix('00')}"
        yield Identifier("phone_number", international)
        if (named or written[0] == "+" or digits.startswith("00")) and (number := e164(international)):
            yield Identifier("phone_number", number)
