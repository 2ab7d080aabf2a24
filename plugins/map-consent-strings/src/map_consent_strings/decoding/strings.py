"""Which kind of string one is, and what it says."""

from __future__ import annotations

from map_consent_strings.decoding import gpp, tcf, us_privacy
from map_consent_strings.decoding.choices import Choices, Scheme, UndecodableError

MAX_LENGTH = 16_384
"""Characters; those of a page with a thousand vendors have some 2,000."""
_GPP, _TCF, _FORMER_TCF = "D", "C", "B"
"""The first character: six bits, which are the version of a TC string, and 3 at the head of a GPP string."""


def decode(text: str) -> Choices:
    """What a consent string says.

    Raises:
        UndecodableError: It cannot be read.
    """
    if len(text) > MAX_LENGTH:
        message = f"it has more than {MAX_LENGTH:,} characters"
        raise UndecodableError(message)
    scheme = scheme_of(text)
    if scheme is Scheme.GPP:
        return gpp.decode(text.strip())
    if scheme is Scheme.TCF:
        choices = tcf.decode(text.strip())
        return Choices(Scheme.TCF, choices.version, choices)
    if scheme is Scheme.US_PRIVACY:
        return Choices(Scheme.US_PRIVACY, us_privacy.VERSION, opted_out=us_privacy.opted_out(text.strip()))
    message = "it is neither a TC string nor a GPP string nor a US Privacy string"
    raise UndecodableError(message)


def scheme_of(text: str) -> Scheme | None:
    """Whose string it is, by its beginning; none if it is nobody's."""
    first = text.strip()[:1]
    if first == _GPP:
        return Scheme.GPP
    if first in {_TCF, _FORMER_TCF}:
        return Scheme.TCF
    return Scheme.US_PRIVACY if first.isdecimal() and first.isascii() else None
