"""The sections of a GPP string about the laws of the United States: one declaration each.

Each begins with a version of six bits, and is a row of numbers of two bits: 0 does not apply, 1 and 2 are what the
field asks. Source: IAB Tech Lab, Global Privacy Platform, "Sections/US-National" and "Sections/US-States".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from map_consent_strings.decoding.bits import Bits
from map_consent_strings.decoding.choices import OptOut, UndecodableError


class Field(Enum):
    """What is asked."""

    SALE = auto()
    SHARING = auto()
    TARGETED = auto()
    CHILD = auto()
    OTHER = auto()
    """Notices, sensitive data, the agreement among sellers: nothing that a rule of forwarding asks."""


_YES, _MAX = 1, 2
"""Opted out, or of a known child: no consent. And the largest answer; 3 is none."""
_MEANING: Mapping[Field, OptOut] = {
    Field.SALE: OptOut.SALE,
    Field.SHARING: OptOut.SHARING,
    Field.TARGETED: OptOut.TARGETED_ADVERTISING,
    Field.CHILD: OptOut.KNOWN_CHILD,
}
_GPC_SEGMENT = 1


class Second(Enum):
    """What the segment behind the first is, if there is one."""

    GPC = auto()
    SENSITIVE_DATA = auto()
    NOTHING = auto()


Layout = tuple[tuple[Field, int], ...]
"""Fields in their order, and how many of each follow each other."""


@dataclass(frozen=True, slots=True)
class UsSection:
    """A section.

    Attributes:
        id: Its number in the header.
        name: What the IAB's interfaces call it.
        layouts: What follows the version; of several the one of as many bits as there are, the longest that fits.
        second: What may follow behind a dot.
        versions: Those that are written so.
    """

    id: int
    name: str
    layouts: tuple[Layout, ...]
    second: Second = Second.GPC
    versions: frozenset[int] = frozenset({1})

    def can_say(self) -> frozenset[OptOut]:
        """What a person may have opted out of by it."""
        said = {_MEANING[field] for layout in self.layouts for field, _ in layout if field in _MEANING}
        return frozenset(said | ({OptOut.GPC} if self.second is Second.GPC else set()))

    def opted_out(self, text: str) -> frozenset[OptOut]:
        """What the person has opted out of.

        Raises:
            UndecodableError: It is not written as the section is.
        """
        core, *others = text.split(".")
        if len(others) > (0 if self.second is Second.NOTHING else 1):
            message = f"its section {self.name} has a segment that is not known"
            raise UndecodableError(message)
        found = {*self._of_core(Bits(core))}
        if others and self.second is Second.GPC and _gpc(Bits(others[0]), self.name):
            found.add(OptOut.GPC)
        return frozenset(found)

    def _of_core(self, bits: Bits) -> Iterator[OptOut]:
        version = bits.integer(6)
        if version not in self.versions:
            message = f"its section {self.name} is of version {version}, which is not known"
            raise UndecodableError(message)
        for field, count in self._layout(bits.left()):
            for _ in range(count):
                answer = bits.integer(2)
                if answer > _MAX:
                    message = f"its section {self.name} has an answer that is none"
                    raise UndecodableError(message)
                if answer == _YES and field in _MEANING:
                    yield _MEANING[field]
        bits.end()

    def _layout(self, room: int) -> Layout:
        fitting = [layout for layout in self.layouts if 2 * sum(count for _, count in layout) <= room]
        return max(fitting or self.layouts, key=lambda layout: sum(count for _, count in layout))


def _gpc(bits: Bits, name: str) -> bool:
    if bits.integer(2) != _GPC_SEGMENT:
        message = f"its section {name} has a segment that is not known"
        raise UndecodableError(message)
    is_set = bits.flag()
    bits.end()
    return is_set


def _state(sensitive: int, children: int, others: int, notices: int = 3) -> tuple[Layout, ...]:
    """As most states have it: notices, sale, targeted advertising, sensitive data, children, and the rest."""
    return (
        (
            (Field.OTHER, notices),
            (Field.SALE, 1),
            (Field.TARGETED, 1),
            (Field.OTHER, sensitive),
            (Field.CHILD, children),
            (Field.OTHER, others),
        ),
    )


def _national(sensitive: int, children: int) -> Layout:
    return (
        (Field.OTHER, 6),
        (Field.SALE, 1),
        (Field.SHARING, 1),
        (Field.TARGETED, 1),
        (Field.OTHER, sensitive),
        (Field.CHILD, children),
        (Field.OTHER, 4),
    )


_CALIFORNIA: tuple[Layout, ...] = (
    (
        (Field.OTHER, 3),
        (Field.SALE, 1),
        (Field.SHARING, 1),
        (Field.OTHER, 9),
        (Field.CHILD, 2),
        (Field.OTHER, 4),
    ),
)
_OF_2026: tuple[Layout, ...] = (
    ((Field.OTHER, 5), (Field.SALE, 1), (Field.TARGETED, 1), (Field.CHILD, 1), (Field.OTHER, 1)),
)
"""Indiana, Kentucky, Rhode Island: the agreement first."""
_MARYLAND: tuple[Layout, ...] = (((Field.OTHER, 5), (Field.SALE, 1), (Field.TARGETED, 1), (Field.OTHER, 1)),)

SECTIONS: Mapping[int, UsSection] = {
    section.id: section
    for section in (
        # Its first version was written with more fields, too, before that had a number.
        UsSection(7, "usnat", (_national(12, 2), _national(16, 3)), versions=frozenset({1, 2})),
        UsSection(8, "usca", _CALIFORNIA),
        UsSection(9, "usva", _state(8, 1, 3), Second.NOTHING),
        UsSection(10, "usco", _state(7, 1, 3)),
        UsSection(11, "usut", _state(8, 1, 3, notices=4), Second.NOTHING),
        UsSection(12, "usct", _state(8, 3, 3)),
        UsSection(13, "usfl", _state(8, 3, 4), Second.NOTHING),
        UsSection(14, "usmt", _state(8, 3, 4)),
        UsSection(15, "usor", _state(11, 3, 4)),
        UsSection(16, "ustx", _state(8, 1, 4)),
        UsSection(17, "usde", _state(9, 5, 4)),
        UsSection(18, "usia", _state(8, 1, 3, notices=4)),
        UsSection(19, "usne", _state(8, 1, 4)),
        UsSection(20, "usnh", _state(8, 3, 4)),
        UsSection(21, "usnj", _state(10, 5, 4)),
        UsSection(22, "ustn", _state(8, 1, 4)),
        UsSection(23, "usmn", _state(8, 1, 4)),
        UsSection(24, "usmd", _MARYLAND),
        UsSection(25, "usin", _OF_2026, Second.SENSITIVE_DATA),
        UsSection(26, "usky", _OF_2026, Second.SENSITIVE_DATA),
        UsSection(27, "usri", _OF_2026, Second.SENSITIVE_DATA),
    )
}
