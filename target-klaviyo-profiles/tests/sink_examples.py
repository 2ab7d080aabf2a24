"""Records of any sink, made from what it declares: so the tests over all sinks need no list of sinks.

A field's value follows from its name, where that is a word of Klaviyo's (`email`, `list_id`), else from its
`choices` and its kind. Which fields a record needs is found by trying: the smallest record that the sink accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, product
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from klaviyo_sandbox.model.records import GroupKind, Template
from klaviyo_sandbox.protocol.omnichannel import other_id
from klaviyo_sandbox.state.campaigns import draft
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.rows import Rejected, Row
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.sinks.options import Options

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]
OPTIONS = Options(allow_deletions=True)
_MOST_OPTIONAL = 3
"""Optional fields that are tried together."""

BY_KIND: Mapping[Kind, Callable[[str, int], object]] = {
    Kind.TEXT: lambda name, number: f"{name} {number}",
    Kind.NUMBER: lambda _, number: number,
    Kind.BOOLEAN: lambda _, number: number % 2 == 0,
    Kind.TIME: lambda _, number: f"2026-10-01T12:00:{number % 60:02}+00:00",
    Kind.OBJECT: lambda _, number: {"n": number},
    Kind.TEXTS: lambda name, number: [f"{name} {number}"],
}
BY_NAME: Mapping[str, Callable[[int], object]] = {
    "email": lambda number: f"p{number}@mail.example.net",
    "phone_number": lambda number: f"+1415555{2600 + number % 400}",
    "value_currency": lambda _: "EUR",
    "location": lambda number: {"city": f"City {number}"},
    "further_identifiers": lambda number: {"phone_number": f"+1415555{3000 + number % 400}"},
    "historical_import": lambda _: True,  # without it, a time of consent is refused
}
"""Fields whose values have a form of their own, in every sink."""

WRONG: Mapping[Kind, object] = {
    Kind.TEXT: ["a"],
    Kind.NUMBER: "much",
    Kind.BOOLEAN: "yes",
    Kind.TIME: "yesterday",
    Kind.OBJECT: ["a"],
    Kind.TEXTS: [1],
}
"""A value that is not of the kind."""


@dataclass(frozen=True)
class Examples:
    """Records of one sink.

    Attributes:
        sink: The sink.
        existing: Ids and names that the account has, by the name of the field that names them.
    """

    sink: Sink
    existing: Mapping[str, list[str]] = field(default_factory=dict)

    def record(self, number: int) -> Json:
        """One of the smallest records that the sink accepts; another number gives another key."""
        return {each.name: self._value(each, number) for each in self._smallest}

    def row(self, number: int) -> Row:
        """The same, as it is sent."""
        row = self.sink.row(self.record(number))
        assert row is not None
        return row

    def variants(self) -> list[Json]:
        """Records that the sink accepts: with each of the choices, and optional fields in all ways that matter."""
        found = list(self._accepted(_MOST_OPTIONAL, every_choice=True))
        plain = self.record(0)
        return found + [{**plain, name: None} for name in sorted(self.sink.clearable - plain.keys())]

    @cached_property
    def _smallest(self) -> tuple[Field, ...]:
        for record in self._accepted(_MOST_OPTIONAL, every_choice=False):
            return tuple(each for each in self.sink.fields if each.name in record)
        msg = (
            f"no example of `{self.sink.stream}` can be made of its fields: give a field that takes only some "
            "texts its `choices`, or one whose values have a form of their own an entry in `BY_NAME` (tests)"
        )
        raise AssertionError(msg)

    def _accepted(self, most: int, *, every_choice: bool) -> Iterator[Json]:
        """Accepted records, those with the fewest optional fields first."""
        required = [each for each in self.sink.fields if each.required]
        optional = [each for each in self.sink.fields if not each.required]
        for count in range(most + 1):
            for chosen in combinations(optional, count):
                fields = [*required, *chosen]
                choices = [each.choices if every_choice else each.choices[:1] for each in fields]
                for picked in product(*(each or (None,) for each in choices)):
                    record = {
                        each.name: choice or self._value(each, 0)
                        for each, choice in zip(fields, picked, strict=True)
                    }
                    if self._is_accepted(record):
                        yield record

    def _is_accepted(self, record: Json) -> bool:
        try:
            return self.sink.row(record) is not None
        except Rejected:
            return False

    def _value(self, declared: Field, number: int) -> object:
        if known := self.existing.get(declared.name):
            return known[number % len(known)]
        if declared.choices:
            return declared.choices[0]
        if declared.name in BY_NAME:
            return BY_NAME[declared.name](number)
        return BY_KIND[declared.kind](declared.name, number)


def examples(sink: type[Sink], existing: Mapping[str, list[str]] | None = None) -> Examples:
    """Examples of a sink with everything allowed that the settings may forbid."""
    return Examples(sink(replace(OPTIONS, clearable_fields=sink.clearable)), existing or {})


def named(sink: type[Sink]) -> str:
    """What a declaration is called in the name of a test: its stream, with the revision of a later one."""
    first = next(each for each in SINKS if each.stream == sink.stream)
    return sink.stream if sink is first else f"{sink.stream}@{sink.revision()}"


def furnish(account: Sandbox) -> dict[str, list[str]]:
    """Give an account a template and drafts; answers what it has, by the name of the field that names it."""
    store, now = account.store, account.clock.seconds()
    newsletter = store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter is not None
    store.put(Template(id="TPL001", name="spring", editor_type="CODE", html="<p>x</p>", created=now, updated=now))
    drafts = [draft(Random(number), f"Draft {number}", [], now) for number in range(20)]  # noqa: S311 - no secret
    for campaign, message in drafts:
        store.put(campaign)
        store.put(message)
    people = [str(row[0]) for row in store.read("select id from profiles order by id")]
    return {
        "id": people,
        "profile_id": people,
        "list_id": [newsletter.id],
        "template_name": ["spring"],
        "campaign_message_id": [message.id for _, message in drafts],
        "campaign_variation_id": [other_id(message.id) for _, message in drafts],
    }


TEXTS = st.text(max_size=12)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=6)
_STRATEGIES: Mapping[Kind, st.SearchStrategy[object]] = {
    # What stands in an envelope for the rows must mean nothing in a record.
    Kind.TEXT: TEXTS | st.integers() | st.just("<rows>"),
    Kind.NUMBER: st.integers() | st.floats(),
    Kind.BOOLEAN: st.booleans(),
    Kind.TIME: st.sampled_from(["2026-01-01T00:00:00Z", "2025-06-01T10:00:00.123+02:00"]),
    Kind.OBJECT: st.dictionaries(TEXTS, VALUES, max_size=4),
    Kind.TEXTS: st.lists(TEXTS, max_size=3),
}
_STRATEGIES_BY_NAME: Mapping[str, st.SearchStrategy[object]] = {
    "email": st.emails(),
    "phone_number": st.just("+14155552671"),
    "value_currency": st.sampled_from(["EUR", "usd"]),
    "further_identifiers": st.fixed_dictionaries({}, optional={"external_id": TEXTS, "phone_number": TEXTS}),
}


def any_record(sink: type[Sink]) -> st.SearchStrategy[Json]:
    """Records of the sink's fields, with values of their kinds, most of which it accepts."""

    def values(declared: Field) -> st.SearchStrategy[object]:
        if declared.choices:
            return st.sampled_from(declared.choices)
        return _STRATEGIES_BY_NAME.get(declared.name, _STRATEGIES[declared.kind])

    plain = examples(sink).record(0)
    return st.fixed_dictionaries(
        {each.name: values(each) for each in sink.fields if each.name in plain},
        optional={each.name: st.none() | values(each) for each in sink.fields if each.name not in plain},
    )
