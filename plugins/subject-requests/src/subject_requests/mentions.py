"""How an identifier may stand in a text: as it is, in an address of a page, not as a part of a longer word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from singer_program.identifiers import KLAVIYO_ID

if TYPE_CHECKING:
    from singer_program.identifiers import Identifier

_SHORTEST_TELLING = 6
"""Characters from which on an identifier is looked for in any text: a shorter one is in many by chance."""

_BEGINS = r"(?:(?<!\w)|(?<=%[0-9A-F]{2})|(?<=\\[nrtbf])|(?<=\\u[0-9A-F]{4}))"
"""Where a word begins: also after a character that is written by its number, in a URL or in JSON as a text."""


def is_telling(identifier: Identifier) -> bool:
    """Whether it can be nothing else where it stands. A short text may be, and a number: of an order, perhaps."""
    kind, value = identifier
    return kind == "email" or (len(value) >= _SHORTEST_TELLING and not value.isdecimal())


def is_unmistakable(identifier: Identifier) -> bool:
    """Whether its look alone says what it is: an address, an id that Klaviyo gave. Your own id may be any word."""
    kind, value = identifier
    return (kind == "email" and "@" in value) or (kind == "id" and KLAVIYO_ID.fullmatch(value) is not None)


def written(identifier: Identifier) -> list[str]:
    """How it may stand in a text, in small letters: an address also as a part of a URL, and in a JSON document."""
    kind, value = identifier.kind, identifier.value.lower()
    forms = [value]
    if kind == "email" and "@" in value:
        forms += [value.replace("@", "%40"), quote(value, safe="").lower()]
    if not value.isascii():
        forms.append(json.dumps(value)[1:-1])
    return list(dict.fromkeys(forms))


def pattern_of(identifiers: Iterable[Identifier], *, may_be_longer: bool) -> re.Pattern[str]:
    """Any of some identifiers, not as a part of a longer word.

    Args:
        identifiers: Which.
        may_be_longer: Also as the end or beginning of a longer address: in a row of theirs that is theirs, too;
            elsewhere it is somebody else's.
    """
    listed = []
    for each in identifiers:
        forms = "|".join(map(re.escape, written(each)))
        is_whole = each.kind == "email" and not may_be_longer
        before, after = (r"(?<!\w[.+'-])(?<!%2B)(?<!%2E)", r"(?![.-]\w)") if is_whole else ("", "")
        listed.append(rf"{_BEGINS}{before}(?:{forms})(?!\w){after}")
    return re.compile("|".join(sorted(listed, key=len, reverse=True)) or r"(?!)", re.IGNORECASE)
