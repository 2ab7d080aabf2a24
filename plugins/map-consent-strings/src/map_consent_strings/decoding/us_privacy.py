"""US Privacy strings: a version, and three answers of a letter each, of which the second is the opt-out of sale.

Source: IAB Tech Lab, "U.S. Privacy String" 1.0, since replaced by GPP.
"""

from __future__ import annotations

import re

from map_consent_strings.decoding.choices import OptOut, UndecodableError

VERSION = 1
_STRING = re.compile(r"1[YN-][YN-][YN-]", re.IGNORECASE)
_OPT_OUT = 2


def opted_out(text: str) -> frozenset[OptOut]:
    """What the person has opted out of.

    Raises:
        UndecodableError: It is no such string.
    """
    if not _STRING.fullmatch(text):
        message = "it is no US Privacy string of version 1"
        raise UndecodableError(message)
    return frozenset({OptOut.SALE} if text[_OPT_OUT] in "Yy" else ())
