"""Identifiers of profiles: which one of a record counts, whether it is valid, and how it is spelled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from klaviyo_wire.redaction import redact

PRECEDENCE = ("id", "external_id", "email", "phone_number")
"""Klaviyo resolves in this order. Only the first that a record has is sent: several that belong to different
profiles make Klaviyo merge them, and a merge cannot be undone."""

_PERSONAL = frozenset({"email", "phone_number"})
OWN = frozenset(PRECEDENCE) - _PERSONAL
"""Kinds that are sent and compared as they are given."""
_LONGEST_EMAIL = 100  # Klaviyo's documented maximum
_LONGEST_ID = 255
"""Of Klaviyo's own, which have 26; many at a time stand in the address of a request."""
# Plain addresses, which are nearly all: what this accepts email-validator accepts too (property-tested), at a
# twentieth of the cost. The length keeps every label under DNS's 63 characters.
_PLAIN_EMAIL = re.compile(
    r"(?=.{6,64}$)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@"
    r"(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+"
    rf"(?!(?i:{'|'.join(SPECIAL_USE_DOMAIN_NAMES)})$)[A-Za-z]{{2,}}"
)
_PHONE = re.compile(r"[+\d\s()./-]+")


class Key(NamedTuple):
    """What a record is known by: the kind of identifier and its value, spelled as Klaviyo compares it."""

    kind: str
    value: str

    def masked(self) -> Key:
        """The key with an e-mail address or phone number replaced by its SHA-256, whatever its kind; ids stay."""
        if self.kind not in _PERSONAL and redact(self.value) == self.value:
            return self
        return self._replace(value=f"sha256:{hashlib.sha256(self.value.encode('utf-8', 'replace')).hexdigest()}")


class InvalidIdentifier(ValueError):  # noqa: N818 - it says what the value is
    """The value cannot be an identifier of its kind; the message says why and does not hold the value."""


def first(record: Mapping[str, Any], kinds: Sequence[str] = PRECEDENCE) -> Key | None:
    """The identifier that counts, not yet checked, trimmed; None when the record has none.

    Blank text is no identifier: warehouses write it for "unknown".
    """
    for kind in kinds:
        value = record.get(kind)
        if isinstance(value, str) and (trimmed := value.strip()):
            return Key(kind, trimmed)
    return None


def sent_as(key: Key) -> str:
    """The identifier as Klaviyo takes it: an e-mail address as given, a phone number in E.164.

    Raises:
        InvalidIdentifier: one such value would make Klaviyo refuse the whole request it is in.
    """
    if key.kind == "email":
        _check_email(key.value)
    if key.kind == "profile_id" and len(key.value) > _LONGEST_ID:
        msg = f"it is longer than {_LONGEST_ID} characters"
        raise InvalidIdentifier(msg)
    if key.kind == "phone_number":
        return _e164(key.value)
    return key.value


def compared(key: Key) -> Key:
    """The key as Klaviyo compares it: e-mail addresses without regard to case."""
    return Key(key.kind, key.value.lower()) if key.kind == "email" else key


def _check_email(address: str) -> None:
    if len(address) > _LONGEST_EMAIL:
        msg = f"it is longer than {_LONGEST_EMAIL} characters"
        raise InvalidIdentifier(msg)
    if _PLAIN_EMAIL.fullmatch(address):
        return
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidIdentifier(str(error)) from None


def _e164(number: str) -> str:
    if not _PHONE.fullmatch(number):
        msg = "it holds more than a number"  # of an extension or a vanity number, only a part would be sent
        raise InvalidIdentifier(msg)
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        msg = "it is not in the international form that begins with + and the country code"
        raise InvalidIdentifier(msg) from None
    if not phonenumbers.is_valid_number(parsed):
        msg = "no country assigns such a number"
        raise InvalidIdentifier(msg)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
