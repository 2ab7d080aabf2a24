"""Strings of the IAB's Global Privacy Platform: a header that says which sections follow, and these.

Source: IAB Tech Lab, Global Privacy Platform, "Core/Consent String Specification".
"""

from __future__ import annotations

from map_consent_strings.decoding import tcf, us_privacy, us_sections
from map_consent_strings.decoding.bits import Bits
from map_consent_strings.decoding.choices import Choices, OptOut, Scheme, TcfChoices, UndecodableError

HEADER, VERSION = 3, 1
_TCF_EU, _TCF_CANADA, _US_PRIVACY = 2, 5, 6
_LARGEST = 1_000
"""Of a section's number: some 30 are in use."""


def decode(text: str) -> Choices:
    """What a GPP string says.

    A section that is not known makes all of it undecodable: it may be the one by which the person opts out.

    Raises:
        UndecodableError: It is none of version 1, or one of its sections cannot be read.
    """
    header, *sections = text.split("~")
    bits = Bits(header)
    kind, version = bits.integer(6), bits.integer(6)
    if (kind, version) != (HEADER, VERSION):
        message = "it is no GPP string of version 1"
        raise UndecodableError(message)
    ids = bits.fibonacci_ids(_LARGEST)
    bits.end()
    if len(ids) != len(sections):
        message = "its header names other sections than it has"
        raise UndecodableError(message)
    names: list[str] = []
    of_europe: TcfChoices | None = None
    opted_out: frozenset[OptOut] | None = None
    for number, section in zip(ids, sections, strict=True):
        if number == _TCF_EU:
            names.append("tcfeuv2")
            of_europe = tcf.decode(section)
        elif number == _TCF_CANADA:
            names.append("tcfcav1")  # purposes of another law: nothing that is asked of it
        elif number == _US_PRIVACY:
            names.append("uspv1")
            opted_out = (opted_out or frozenset()) | us_privacy.opted_out(section)
        elif known := us_sections.SECTIONS.get(number):
            names.append(known.name)
            opted_out = (opted_out or frozenset()) | known.opted_out(section)
        else:
            message = f"it has the section {number}, which is not known"
            raise UndecodableError(message)
    return Choices(Scheme.GPP, VERSION, of_europe, opted_out, tuple(names))
