"""What bodies of several sources have in common: a list of parts, of which one that is broken costs no other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import DeadLetter, Item, UnusableError
from klaviyo_inbox.records import IDENTIFIERS, decoded
from singer_program.identifiers import LONGEST, e164
from singer_program.json_members import members

Json = dict[str, Any]

_MOST_DIGITS = 30
"""No amount has as many before or after its point."""
_members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


def json_object(body: bytes | msgspec.Raw) -> Json:
    """A body, or a part of one, that is a JSON object.

    Raises:
        UnusableError: it is none.
    """
    value = decoded(body)
    if not isinstance(value, dict):
        msg = "it is no JSON object"
        raise UnusableError(msg)
    return value


def each_of(
    body: bytes, name: str, read: Callable[[Json], Item], *, beside: str = ""
) -> Iterator[Item | DeadLetter]:
    """The parts that a member of the body lists, each read by itself.

    Args:
        body: A JSON object.
        name: The member.
        read: Makes an item of a part; raises `UnusableError`.
        beside: Another member, which a dead letter keeps.

    Raises:
        UnusableError: the body is no object, or lists nothing there.
    """
    elements, kept = _apart(body, name, beside)
    for element in elements:
        try:
            yield read(json_object(element))
        except UnusableError as error:
            beside_it = b',"%b":%b' % (beside.encode(), kept) if kept else b""
            yield DeadLetter(str(error), b'{"%b":[%b]%b}' % (name.encode(), bytes(element), beside_it))


def _apart(body: bytes, name: str, beside: str) -> tuple[list[msgspec.Raw] | list[bytes], bytes]:
    """The elements of a member that is a list, and another member."""
    try:
        found = _members.decode(body)
        elements: list[Any] = _elements.decode(found[name]) if name in found else []
        whole, kept = name in found, bytes(found.get(beside, b""))
    except (ValueError, RecursionError):
        try:
            parts: Mapping[str, Any] = members(body)
        except ValueError as error:
            raise UnusableError(str(error)) from None
        listed = parts.get(name)
        whole, elements = isinstance(listed, list), listed if isinstance(listed, list) else []
        kept = parts.get(beside, b"")
        kept = kept if isinstance(kept, bytes) else b""
    if not whole:
        msg = f"`{name}` is no list"
        raise UnusableError(msg)
    return elements, kept


def text_of(value: object, name: str, longest: int = 1_000) -> str:
    """An identifier: a text that is not empty, or a whole number as one.

    Raises:
        UnusableError: it is neither, or too long.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip():
        msg = f"`{name}` is missing"
        raise UnusableError(msg)
    if len(text) > longest:
        msg = f"`{name}` has more than {longest:,} characters"
        raise UnusableError(msg)
    return text.strip()


def text_or_none(value: object) -> str | None:
    """A text that is not empty, or a number as one; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def phone_number(number: object, country: object) -> str | None:
    """A phone number with its country's code, if that can be told from the number or the country; else as it is.

    Args:
        number: As a buyer wrote it.
        country: Two letters of their address.
    """
    text = text_or_none(number)
    if text is None or len(text) > LONGEST:
        return text
    return e164(text, country.strip().upper() if isinstance(country, str) else None) or text


def inner(value: Json, name: str) -> Json:
    """A member that is an object; an empty one if it is anything else."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def objects(value: Json, name: str) -> list[Json]:
    """The objects of a member that is a list; none if it is anything else."""
    found = value.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def object_or_none(body: Json, name: str) -> Json | None:
    """A member that is an object, or is not there.

    Raises:
        UnusableError: it is something else.
    """
    value = body.get(name)
    if value is None or isinstance(value, dict):
        return value
    msg = f"`{name}` is no JSON object"
    raise UnusableError(msg)


def one_of(body: Json, name: str, allowed: Collection[str]) -> str:
    """A member that is one of a few texts.

    Raises:
        UnusableError: it is none of them.
    """
    value = body.get(name)
    if isinstance(value, str) and value in allowed:
        return value
    msg = f"`{name}` is none of {', '.join(f'`{each}`' for each in allowed)}"
    raise UnusableError(msg)


def moment_or(body: Json, name: str, default: str | None) -> str | None:
    """A moment, or what stands for one that is not told.

    Raises:
        UnusableError: it cannot be read.
    """
    value = body.get(name)
    if value is None:
        return default
    read = moments.read_iso(value)
    if read is None:
        msg = f"`{name}` is no moment that can be read"
        raise UnusableError(msg)
    return read


def number_or_none(value: object) -> Decimal | int | None:
    """A number, or a text that is one, with every digit; None of anything else, and of what no amount can be."""
    try:
        number = Decimal(value.strip()) if isinstance(value, str) else value
    except ArithmeticError:
        return None
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    # By its exponent: to compare a larger one is an overflow, and a smaller one is too long for a loader.
    of_an_amount = Decimal(number)
    if not of_an_amount.is_finite() or abs(of_an_amount.adjusted()) > _MOST_DIGITS:
        return None
    return number


def identifiers(body: Json) -> dict[str, str | None]:
    """Who it is about, in the columns of a stream."""
    return {name: text_or_none(body.get(name)) for name in IDENTIFIERS}


def of_somebody(body: Json) -> dict[str, str | None]:
    """Who it is about, Klaviyo's id with it.

    Raises:
        UnusableError: nobody is named.
    """
    found = {"profile_id": text_or_none(body.get("profile_id")), **identifiers(body)}
    if not any(found.values()):
        msg = f"it names nobody: {', '.join(f'`{name}`' for name in found)} are all missing"
        raise UnusableError(msg)
    return found


def told(value: Mapping[str, Any]) -> Json:
    """What is not null of it."""
    return {name: each for name, each in value.items() if each is not None}


def digest(*parts: bytes) -> str:
    """Stands for an id where the sender gives none: the same for the same bytes."""
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()
