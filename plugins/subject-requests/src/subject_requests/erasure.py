"""Erasure of a person in a warehouse: in every table, in one transaction, and looked for before it is kept.

What becomes of a row depends on what the table is for:

- it is deleted; or
- the identifiers in it become keyed hashes, where a count rests on the row: of a ledger, of a reading whose
  members are counted, of a measurement that knows nobody but by profile id; or
- of an event of somebody who is in an experiment, what is counted is left, under such a hash: results stay.

A row of somebody else stays; in its documents and arrays, such a hash takes the place of what names the person.
Nothing of a view is touched: it shows what its tables hold.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from singer_program.errors import ProgramError
from singer_program.identifiers import Identifier, compared, kind_named
from singer_program.people_list import line_of
from subject_requests.mentions import is_telling, is_unmistakable, pattern_of, written
from subject_requests.warehouse import belongs, mentions, quoted

if TYPE_CHECKING:
    from subject_requests.person import Person
    from subject_requests.warehouse import Table, Warehouse

Json = dict[str, Any]

ERASED = "erased-"
"""What a hash in the place of an identifier begins with; 32 hexadecimal digits follow."""

_DIGITS = 32
MADE = ("fct_", "dim_", "int_", "stg_", "pub_")
"""What tables that dbt makes begin with; who loads a raw table names it otherwise."""
_TO_SEND = "pub_"
LEDGER = "fct_assignments"
LEDGERS = frozenset({LEDGER, "fct_consent_log", "fct_consent_shown", "fct_consent_published", "fct_forwarding"})
"""What is only appended to, and not made anew from anything."""
DIGESTS = frozenset({"address_digest", "event_key", "sent_key", "visitor_digest"})
"""Columns of ledgers that somebody can be told by, as whoever has their identifier can make its digest."""
COUNTED = frozenset({"list_memberships", "segment_memberships", "profile_ids"})
"""Raw tables of readings that count as complete by their number of rows: a row less, and none counts as read."""
ANSWERED = frozenset({"privacy_requests", "privacy_actions"})
"""Raw tables that prove that a request was answered: the row stays, without whom it was about."""
EVENTS = frozenset({"events", "pushed_events"})
KEPT_COLUMNS = frozenset({"id", "datetime", "timestamp", "uuid", "metric_id"})
"""Of an event that is counted, besides what a loader adds (`_sdc_…`)."""
KEPT_MEMBERS = frozenset({
    "$event_id", "$message", "OrderId", "order_id", "Bounce Type", "Failure Type", "List", "form_id",
    "$value_currency", "URL", "Client Type", "Client OS Family", "$value", "machine_open", "Bot Click", "$flow",
    "$variation",
})  # fmt: skip
"""Of `event_properties`: what the models read."""
_CID = re.compile(r"[?&;](lf_cid=[a-z0-9_.]+)(?=[&#]|$)")


class Fate(StrEnum):
    """What became of rows."""

    DELETED = "deleted"
    HASHED = "kept under a hash"
    REDUCED = "reduced to what is counted"
    OF_OTHERS = "of others, with a hash in their place"


@dataclass
class Erased:
    """What was done.

    Attributes:
        rows: By table, how many of each.
        mentions: By table: rows of others that still have a number of theirs, which may be a household's.
        left: By table and column that were to be left: rows with an identifier in it.
    """

    rows: dict[str, dict[Fate, int]] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Rows of all tables."""
        return sum(sum(each.values()) for each in self.rows.values())

    def count(self, table: Table, fate: Fate, number: int = 1) -> None:
        """Count rows."""
        if number:
            of_table = self.rows.setdefault(table.place, {})
            of_table[fate] = of_table.get(fate, 0) + number


class Erasure:
    """The erasure of one person.

    Args:
        warehouse: Where; opened to be written to.
        person: Whom, as far as they are known there.
        key: That of the hashes.
        leave: Columns, as `schema.table.column`, in which an identifier may be left.
    """

    def __init__(self, warehouse: Warehouse, person: Person, key: str, leave: Collection[str] = ()) -> None:
        self._warehouse = warehouse
        self._person = person
        self._key = key
        self._leave = frozenset(leave)
        self._mentioned = pattern_of(person.identifiers, may_be_longer=True)
        # As the models make them; that of a number may be a household's.
        self._digests = frozenset(
            hashlib.md5(f"{each.kind}:{each.value}".encode(), usedforsecurity=False).hexdigest()
            for each in person.identifiers
            if each.kind != "phone_number"
        )
        self._unmistakable = [each for each in person.identifiers if is_unmistakable(each)]
        self._in_text = pattern_of(self._unmistakable, may_be_longer=False)

    def done(self, tables: Sequence[Table]) -> Erased:
        """Erase, and look whether anything is left; in a transaction of who calls.

        Raises:
            ProgramError: it cannot be done, or an identifier is left: nothing must be kept then.
        """
        erased = Erased()
        held = [each for each in tables if each.is_table]
        is_counted = any(True for table in held if table.role == LEDGER for _ in self._theirs(table))
        for table in held:
            self._erase(table, erased, is_counted=is_counted)
        self._check(tables, erased)
        return erased

    def _theirs(self, table: Table) -> Iterator[tuple[object, Json]]:
        return ((key, row) for key, row, theirs in self._found(table) if theirs)

    def _found(self, table: Table) -> Iterator[tuple[object, Json, bool]]:
        """Rows that name or mention the person: the key, the row, and whether it is theirs."""
        if not table.name.startswith(MADE):
            yield from self._warehouse.candidates(table, self._person, with_keys=True)
            return
        # Of a table that dbt made: with an identifier as the whole of a text, of a column of any name.
        conditions: list[str] = []
        values: list[object] = []
        for name in self._naming(table):
            if identifiers := self._in_column(table, name):
                marks = ", ".join([self._warehouse.placeholder] * len(identifiers))
                conditions.append(f"lower(trim({self._as_text(name)})) IN ({marks})")
                values += [each.value.lower() for each in identifiers]
        forms = [form for each in self._person.identifiers if is_telling(each) for form in written(each)]
        for name in table.nested if forms else ():
            condition, more = self._warehouse.has_any(self._as_text(name), forms)
            conditions.append(condition)
            values += more
        told_by = self._told_by(table)
        for name in told_by:
            marks = ", ".join([self._warehouse.placeholder] * len(self._digests))
            conditions.append(f"{quoted(name)} IN ({marks})")
            values += sorted(self._digests)
        if conditions:
            for key, row in self._warehouse.found(table, " OR ".join(conditions), values):
                is_told = any(row[name] in self._digests for name in told_by)
                yield key, row, bool(self._hashed(table, row)) or is_told

    def _told_by(self, table: Table) -> list[str]:
        """The columns of a ledger in which a digest of theirs may stand."""
        return sorted(DIGESTS & {*table.columns}) if table.role in LEDGERS and self._digests else []

    @staticmethod
    def _naming(table: Table) -> list[str]:
        """The columns that may be an identifier: texts, and what is called one, of any type."""
        return list(dict.fromkeys((*table.texts, *table.identifying)))

    def _in_column(self, table: Table, column: str) -> list[Identifier]:
        """The identifiers that a column's text may be: a short one only where the column says that it is one."""
        kind = table.identifying.get(column)
        return [each for each in self._person.identifiers if each.kind == kind or is_telling(each)]

    def _as_text(self, column: str) -> str:
        return f"cast({quoted(column)} AS {self._warehouse.text})"

    def _erase(self, table: Table, erased: Erased, *, is_counted: bool) -> None:
        gone: list[object] = []
        kept: list[tuple[object, Json]] = []
        for key, row, theirs in list(self._found(table)):
            if not theirs:
                if without := self._without_mentions(table, row, self._leave):
                    kept.append((key, without))
                    erased.count(table, Fate.OF_OTHERS)
                continue
            fate, changed = self._decided(table, row, is_counted=is_counted)
            if fate is Fate.DELETED:
                gone.append(key)
            else:
                kept.append((key, changed))
                erased.count(table, fate)
        self._warehouse.update(table, kept)
        self._warehouse.delete(table, gone)
        erased.count(table, Fate.DELETED, len(gone))

    def _decided(self, table: Table, row: Json, *, is_counted: bool) -> tuple[Fate, Json]:
        """What becomes of a row, and its columns that change."""
        hashed = self._hashed(table, row)
        if table.role in LEDGERS:
            digests = dict.fromkeys(DIGESTS & {*table.columns})
            return Fate.HASHED, hashed | digests | self._emptied(table, row, hashed)
        if table.role in COUNTED:
            return Fate.HASHED, hashed | self._without_mentions(table, row, ())
        if table.role in ANSWERED:
            return Fate.HASHED, dict.fromkeys(table.identifying) | self._emptied(table, row, ())
        if table.role in EVENTS and is_counted and "event_properties" in table.columns:
            return Fate.REDUCED, self._reduced(table, row, hashed)
        if table.name.startswith(MADE) and not table.name.startswith(_TO_SEND):
            kinds = {table.identifying.get(column) for column in hashed}
            if kinds == {"id"} and not self._emptied(table, row, hashed):
                return Fate.HASHED, hashed
        return Fate.DELETED, {}

    def _hashed(self, table: Table, row: Json) -> Json:
        """The columns that are one of the identifiers, each with its hash; empty, where it can hold no text."""
        found: Json = {}
        for column in self._naming(table):
            value = "" if row[column] is None else str(row[column]).strip()
            for each in self._in_column(table, column) if value else ():
                if value.lower() == each.value.lower() or compared(each.kind, value) == each:
                    found[column] = self._hash(each) if column in table.texts else None
        return found

    def _emptied(self, table: Table, row: Json, hashed: Collection[str]) -> Json:
        """The other columns that mention the person, empty."""
        columns = {*table.texts, *table.nested}.difference(hashed)
        return {name: None for name in columns if self._mentions(row[name])}

    def _without_mentions(self, table: Table, row: Json, leave: Collection[str]) -> Json:
        """The documents and arrays of a row that mention the person, with a hash in each identifier's place."""
        found: Json = {}
        for name in table.nested:
            if row[name] is not None and f"{table.place}.{name}" not in leave:
                is_whole = table.name.startswith(MADE) and table.columns[name].endswith("[]")
                changed = self.without(row[name], name, is_whole=is_whole)
                if changed != row[name]:
                    found[name] = changed if isinstance(changed, str) else json.dumps(changed, default=str)
        return found

    def without(self, value: object, member: str = "", *, is_whole: bool = False) -> object:
        """A value of any shape, with a hash in the place of whatever names the person.

        That is an address or an id of Klaviyo's anywhere, and your own id where a name says that it is one. A
        number stays: it may be a household's.

        Args:
            value: The value.
            member: The name of the member that holds it.
            is_whole: Whether a text that is nothing but one of the identifiers names them, whatever its place.
        """
        if isinstance(value, dict):
            return {
                self._without_in_text(str(name)): self.without(each, str(name), is_whole=is_whole)
                for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.without(each, member, is_whole=is_whole) for each in value]
        if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
            return value
        kind = kind_named(member)
        for each in self._person.identifiers:
            may_be = each.kind != "phone_number" and (each.kind == kind or (is_whole and is_telling(each)))
            if may_be and compared(each.kind, str(value)) == each:
                return self._hash(each)
        return self._without_in_text(value) if isinstance(value, str) else value

    def _without_in_text(self, text: str) -> str:
        return self._in_text.sub(lambda match: self._hash(self._meant(match[0])), text)

    def _meant(self, text: str) -> Identifier:
        return next(each for each in self._unmistakable if text.lower() in written(each))

    def _hash(self, identifier: Identifier) -> str:
        return ERASED + line_of(self._key, identifier)[:_DIGITS]

    def _mentions(self, value: object) -> bool:
        return value is not None and self._mentioned.search(_text(value)) is not None

    def _reduced(self, table: Table, row: Json, hashed: Json) -> Json:
        """An event, as far as it is counted: whatever else the loader knew of it is empty."""
        held = row["event_properties"]
        members = {
            name: _address(value) if name == "URL" else value
            for name, value in (held.items() if isinstance(held, dict) else ())
            if name in KEPT_MEMBERS
        }
        left = {name: value for name, value in members.items() if not self._mentions(value)}
        others = {
            name: None
            for name in table.columns
            if name not in KEPT_COLUMNS and not name.startswith("_sdc_") and row[name] is not None
        }
        return others | hashed | {"event_properties": json.dumps(left)}

    def _check(self, tables: Sequence[Table], erased: Erased) -> None:
        """Look for every identifier in all texts and documents of all tables, and for rows of the person in views.

        Raises:
            ProgramError: one is left, where it is not somebody else's document or number.
        """
        telling = [each for each in self._person.identifiers if is_telling(each)]
        pattern = pattern_of(telling, may_be_longer=False)
        forms = [form for each in telling for form in written(each)]
        for table in tables:
            # A view, too, whatever it rests on: it may join or decode what no table has as one text.
            columns = self._looked_through(table) if forms else []
            conditions = [self._warehouse.has_any(self._as_text(name), forms) for name in columns]
            condition = " OR ".join(each for each, _ in conditions)
            values = [value for _, more in conditions for value in more]
            found = [*self._warehouse.candidates_and(table, self._person, condition, values)]
            if any(is_naming and belongs(row, table, self._person) for is_naming, row in found):
                what = "still holds rows of them" if table.is_table else "shows rows of them from elsewhere"
                message = f"{what}: name the schemas of its tables in `erased_schemas`, refresh what is stored"
                raise _kept(table.place, message)
            if not table.is_table:
                continue
            if number := sum(is_naming and mentions(row, self._person) for is_naming, row in found):
                erased.mentions[table.place] = number
            self._look_through(table, columns, [row for _, row in found], pattern, erased)

    @staticmethod
    def _looked_through(table: Table) -> list[str]:
        """The texts of a table in which nothing of them may be left: numbers may be shared."""
        numbers = [name for name, kind in table.identifying.items() if kind == "phone_number"]
        return [name for name in table.searched if name not in numbers] if table.is_table else []

    def _look_through(
        self,
        table: Table,
        columns: Sequence[str],
        rows: Sequence[Json],
        pattern: re.Pattern[str],
        erased: Erased,
    ) -> None:
        for row in rows:
            left = [name for name in columns if row[name] is not None and pattern.search(str(row[name]))]
            for name in (*left, *self._without_mentions(table, row, ())):
                place = f"{table.place}.{name}"
                if place not in self._leave:
                    message = (
                        f"still has an identifier of them: correct those rows, or let them be by `--leave {place}`"
                    )
                    raise _kept(place, message)
                erased.left[place] = erased.left.get(place, 0) + 1


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _address(url: object) -> object:
    """An address without what stands after the path, but for the name of the arm."""
    if not isinstance(url, str):
        return None
    cid = _CID.search(url)
    return re.split(r"[?#]", url, maxsplit=1)[0] + (f"?{cid[1]}" if cid else "")


def _kept(place: str, what: str) -> ProgramError:
    return ProgramError(f"nothing was erased: {place} {what}")
