"""What a warehouse holds of a person: every table of its schemas, found by the columns that name people.

A row is theirs if a column that identifies people names them, by id, e-mail address or `external_id`. A phone
number alone may be shared: it counts if it was given with the request, and where no other such column of the row
names somebody else. Where all of these are empty, the members of a JSON column that name people decide, unless
they name others, too. What only mentions the person is somebody else's row: it is counted, and left out.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import duckdb
import psycopg

from singer_program.errors import ProgramError
from singer_program.identifiers import Identifier, compared, kind_named, mentioned_in, named_in
from subject_requests.mentions import written
from subject_requests.person import Person, identifiers_of

Json = dict[str, Any]
_JSON_TYPES = frozenset({"json", "jsonb"})
_TEXT_TYPES = ("varchar", "text", "character", "char", "bpchar", "string", "citext")
_PLAIN_TYPES = (
    "int", "bigint", "smallint", "tinyint", "hugeint", "uint", "ubigint", "usmallint", "utinyint", "uhugeint",
    "numeric", "decimal", "double", "real", "float", "bool", "date", "time", "interval", "uuid", "bytea", "blob",
    "bit", "money", "oid",
)  # fmt: skip
"""Types of which nothing can be the text of an identifier."""
_NESTED = ("struct", "map", "list", "[]", "array", "user-defined")
MADE_WHEN_NEEDED = frozenset({"deletions", "history"})
"""Schemas in which nothing is made but by a job that nobody has to run."""
_PROFILES = "profiles"
_PREDICTED = "predictive_analytics"
_NAMED_BY_ID = (_PROFILES, "profile_ids")
_ROWS_AT_ONCE = 1_000
_SESSION = "-c default_transaction_isolation=repeatable\\ read -c timezone=UTC"
"""What is read is of one moment, and looks the same wherever it is read."""
_DEEP = 200
_BRACKET = re.compile(r"[\[\]{}]")
_WILD = re.compile(r"[%_\\]")
"""What stands for more than itself in a pattern of LIKE."""


@dataclass(frozen=True)
class Table:
    """A table or view.

    Attributes:
        schema: Its place.
        name: What it is called there.
        columns: With their types, in order.
        is_table: Whether it holds rows itself.
        is_partitioned: Whether they lie in its parts, which are not told for themselves.
        known_as: What it is called in this project, if otherwise; empty where another table has its name there.
    """

    schema: str
    name: str
    columns: dict[str, str]
    is_table: bool = True
    is_partitioned: bool = False
    known_as: str | None = None

    @property
    def role(self) -> str:
        """What it is called in this project: by that it is known what its rows are."""
        return self.name if self.known_as is None else self.known_as

    @property
    def place(self) -> str:
        """As it is told."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """As SQL writes it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def identifying(self) -> dict[str, str]:
        """The columns that name people, with the kind of identifier."""
        named = {column: kind_named(column) for column in self.columns}
        return {
            column: kind
            for column, kind in named.items()
            if kind and not self.is_nested(column) and (column != "id" or self.role.endswith(_NAMED_BY_ID))
        }

    @property
    def texts(self) -> list[str]:
        """The columns that hold text of any kind."""
        return [name for name, kind in self.columns.items() if kind.lower().startswith(_TEXT_TYPES)]

    @property
    def searched(self) -> list[str]:
        """The columns that may hold a text, whatever their type is called."""
        return [
            name
            for name, kind in self.columns.items()
            if not self.is_nested(name) and not kind.lower().startswith(_PLAIN_TYPES)
        ]

    @property
    def nested(self) -> list[str]:
        """The columns that hold objects or arrays."""
        return [column for column in self.columns if self.is_nested(column)]

    def is_nested(self, column: str) -> bool:
        """Whether a column holds objects or arrays."""
        return is_nested(self.columns[column])


@dataclass
class Found:
    """What was found.

    Attributes:
        rows: By schema and table.
        mentions: By schema and table: rows of others, or of several, that mention the person and are left out.
        tables: How many tables were looked through.
        own: What the person's profiles are known by, numbers that may be a household's too.
        inferred: Tables of rows that hold what Klaviyo predicts of the person.
    """

    rows: dict[str, list[Json]] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)
    tables: int = 0
    own: set[Identifier] = field(default_factory=set)
    inferred: set[str] = field(default_factory=set)


class Key(NamedTuple):
    """What names a row: the expression, the placeholder of a value of it, and its type."""

    expression: str
    mark: str
    kind: str


class Warehouse(ABC):
    """A database that is read; written only where it was opened for that."""

    placeholder: LiteralString
    text: LiteralString
    """The type that everything can be cast to."""
    columns: LiteralString
    """Asks for schema, table, column and type of every column in `{schemas}`, also of what may not be read.

    And whether rows lie there, which those of a view do not; whether in parts; and of a part the whole's schema.
    """

    def __init__(self, raw_tables: Mapping[str, str] | None = None) -> None:
        self._roles = {name: role for role, name in (raw_tables or {}).items()}
        self._elsewhere = {*(raw_tables or {})} - {*self._roles}

    @abstractmethod
    def key_of(self, table: Table, *, of: str = "") -> Key:
        """What names a row of a table while a transaction lasts.

        Args:
            table: The table.
            of: Under which other name it stands in the statement.
        """

    def of_itself(self, table: Table) -> str:
        """A table as a statement names it, without rows of others that inherit from it."""
        return table.quoted

    @abstractmethod
    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query answers.

        Raises:
            ProgramError: it cannot be read.
        """

    @abstractmethod
    def change(self, statement: str, values: Sequence[object] = ()) -> None:
        """Do what a statement says.

        Raises:
            ProgramError: it cannot be done.
        """

    @abstractmethod
    def as_text(self, placeholder: str, kind: str) -> str:
        """A text that is given as a value of a column's type."""

    @abstractmethod
    def has_any(self, text: str, parts: Sequence[str]) -> tuple[str, list[object]]:
        """A condition, with its values: a text, in small letters, has one of some parts in it.

        One search finds all of them, since a warehouse has millions of documents; it may find more, never fewer.

        Args:
            text: An expression.
            parts: One at least, in small letters.
        """

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """What is changed meanwhile stays as a whole, or not at all: if something fails, or is not to be kept."""
        self.change("BEGIN")
        try:
            yield
        except BaseException:
            self.change("ROLLBACK")
            raise
        self.change("COMMIT" if keep else "ROLLBACK")

    def delete(self, table: Table, keys: Sequence[object]) -> None:
        """Delete rows, by what `key_of` said."""
        key = self.key_of(table)
        for first in range(0, len(keys), _ROWS_AT_ONCE):
            some = keys[first : first + _ROWS_AT_ONCE]
            marks = ", ".join([key.mark] * len(some))
            statement = f"DELETE FROM {self.of_itself(table)} WHERE {key.expression} IN ({marks})"  # noqa: S608
            self.change(statement, some)

    def update(self, table: Table, rows: Sequence[tuple[object, Mapping[str, object]]]) -> None:
        """Give rows, by what `key_of` said, other texts, documents or nulls."""
        alike: dict[tuple[str, ...], list[tuple[object, Mapping[str, object]]]] = {}
        for key, values in rows:
            alike.setdefault(tuple(sorted(values)), []).append((key, values))
        for names, chosen in alike.items():
            new = [f"unnest(CAST({self.placeholder} AS {self.text}[])) AS new_{i}" for i in range(len(names))]
            listed = ", ".join(
                f"{quoted(name)} = {self.as_text(f'given.new_{i}', table.columns[name])}"
                for i, name in enumerate(names)
            )
            key = self.key_of(table, of="held")
            keyed = f"unnest(CAST({self.placeholder} AS {key.kind}[])) AS row_key"
            statement = (
                f"UPDATE {self.of_itself(table)} AS held SET {listed} "  # noqa: S608
                f"FROM (SELECT {', '.join([keyed, *new])}) AS given WHERE {key.expression} = given.row_key"
                f" AND {key.expression} = ANY(CAST({self.placeholder} AS {key.kind}[]))"
            )
            for first in range(0, len(chosen), _ROWS_AT_ONCE):
                some = chosen[first : first + _ROWS_AT_ONCE]
                keys = [key for key, _ in some]
                self.change(statement, [keys, *([values[name] for _, values in some] for name in names), keys])

    def tables(self, schemas: Sequence[str]) -> list[Table]:
        """The tables and views of some schemas, by name.

        Raises:
            ProgramError: one of the schemas is not there: what it would hold is not known. That of a job which
                need not have run may be missing.
        """
        marks = ", ".join([self.placeholder] * len(schemas))
        found: dict[tuple[str, str], dict[str, str]] = {}
        kinds: dict[tuple[str, str], tuple[bool, bool]] = {}
        for schema, table, column, kind, holds, is_whole, part_of in self.rows(
            self.columns.replace("{schemas}", marks), schemas
        ):
            if part_of in schemas:
                continue
            found.setdefault((schema, table), {})[column] = kind
            kinds[schema, table] = holds, is_whole
        if missing := set(schemas) - {schema for schema, _ in found} - MADE_WHEN_NEEDED:
            listed = ", ".join(f"`{each}`" for each in sorted(missing))
            message = (
                f"the warehouse has no schema {listed} with tables that can be read: correct the setting `schemas`"
            )
            raise ProgramError(message)
        return [
            Table(*place, columns, *kinds[place], self._role(place[1])) for place, columns in sorted(found.items())
        ]

    def _role(self, name: str) -> str | None:
        return self._roles.get(name, "" if name in self._elsewhere else None)

    def read(self, person: Person, schemas: Sequence[str]) -> tuple[Person, Found]:
        """Everything of a person, and the person as far as they are known then.

        Raises:
            ProgramError: it cannot be read.
        """
        tables = self.tables(schemas)
        person = self.known(person, tables)
        found = Found(tables=len(tables))
        for table in tables:
            for _, row, theirs in self.candidates(table, person):
                if theirs:
                    found.rows.setdefault(table.place, []).append(row)
                    if table.role.endswith(_PREDICTED) or _PREDICTED in table.columns:
                        found.inferred.add(table.place)
                    if table.role == _PROFILES:
                        found.own |= {*identifiers_of(row)}
                elif mentions(row, person):
                    found.mentions[table.place] = found.mentions.get(table.place, 0) + 1
        return person, found

    def known(self, person: Person, tables: Sequence[Table]) -> Person:
        """The person with what their profiles have, and had before they were merged with others."""
        profiles = _profiles(tables)
        before = None
        while person != before:
            before = person
            for table in profiles:
                rows = [row for _, row, theirs in self.candidates(table, person) if theirs]
                more = [each for row in rows for each in identifiers_of(row)]
                # A phone number that a profile has is not taken for theirs alone.
                person = person.knowing(each for each in more if each.kind != "phone_number")
        return person

    def of_others(self, named: Collection[Identifier], person: Person, tables: Sequence[Table]) -> set[Identifier]:
        """Those of some identifiers that profiles have which are not the person's."""
        found: set[Identifier] = set()
        listed = sorted(named)
        for table in _profiles(tables):
            for first in range(0, len(listed), _ROWS_AT_ONCE):
                some = Person(tuple(listed[first : first + _ROWS_AT_ONCE]))
                columns = [self._condition(table, column, some) for column in table.identifying]
                condition = " OR ".join(each for conditions, _ in columns for each in conditions)
                values = [each for _, more in columns for each in more]
                for _, row in self.found(table, condition, values, with_keys=False) if condition else ():
                    if not belongs(row, table, person):
                        found |= {*identifiers_of(row)}
        return found & {*named}

    def candidates(
        self, table: Table, person: Person, *, with_keys: bool = False
    ) -> Iterator[tuple[object, Json, bool]]:
        """Rows that name or mention the person: the key if asked, the row, and whether it is theirs."""
        condition, values = self._conditions(table, person)
        if not condition:
            return
        for key, row in self.found(table, condition, values, with_keys=with_keys):
            yield key, row, belongs(row, table, person)

    def candidates_and(
        self, table: Table, person: Person, condition: str, values: Sequence[object]
    ) -> Iterator[tuple[bool, Json]]:
        """Rows that name or mention the person, and those that meet a condition, if there is one: by one search.

        Each with whether it is one of the former.
        """
        naming, more = self._conditions(table, person)
        either = " OR ".join(f"({each})" for each in (naming, condition) if each)
        if not either:
            return
        is_naming = f"coalesce({naming}, false)" if naming else "false"
        yield from self._selected(is_naming, table, either, [*more, *more, *values])

    def found(
        self, table: Table, condition: str, values: Sequence[object], *, with_keys: bool = True
    ) -> Iterator[tuple[object, Json]]:
        """Rows that meet a condition, each with its key, or None if that is not asked; documents are parsed."""
        key = self.key_of(table).expression if with_keys else "NULL"
        yield from self._selected(key, table, condition, values, self.of_itself(table) if with_keys else "")

    def _selected(
        self, first: str, table: Table, condition: str, values: Sequence[object], place: str = ""
    ) -> Iterator[tuple[Any, Json]]:
        listed = ", ".join(map(quoted, table.columns))
        query = f"SELECT {first}, {listed} FROM {place or table.quoted} WHERE {condition}"  # noqa: S608
        for first_of_row, *values_of_row in self.rows(query, values):
            yield (
                first_of_row,
                {
                    column: _parsed(value) if table.is_nested(column) else value
                    for column, value in zip(table.columns, values_of_row, strict=True)
                },
            )

    def _conditions(self, table: Table, person: Person) -> tuple[str, list[object]]:
        """Rows that may be theirs, more than are, never fewer; nothing where no column could tell."""
        conditions: list[str] = []
        values: list[object] = []
        for column in (*table.identifying, *table.nested):
            condition, more = self._condition(table, column, person)
            conditions += condition
            values += more
        return " OR ".join(conditions), values

    def _condition(self, table: Table, column: str, person: Person) -> tuple[list[str], list[object]]:
        """Rows that may be theirs, by one column: more than are, never fewer."""
        as_text = f"lower(trim(cast({quoted(column)} AS {self.text})))"
        mark = self.placeholder
        if table.is_nested(column):
            named = [each for each in person.identifiers if each.kind != "phone_number"]
            texts = [form for each in named for form in written(each)]
            if not texts:
                return [], []
            condition, values = self.has_any(f"cast({quoted(column)} AS {self.text})", texts)
            return [condition], values
        if table.identifying[column] == "phone_number":
            digits = [each.strip("+") for each in person.values("phone_number")]
            only = f"ltrim(regexp_replace({as_text}, '[^0-9]', '', 'g'), '0')"
            return [f"{only} = {mark}" for _ in digits], list(digits)
        texts = [each.value.lower() for each in person.identifiers]
        return ([f"{as_text} IN ({', '.join([mark] * len(texts))})"] if texts else []), list(texts)


def belongs(row: Json, table: Table, person: Person) -> bool:
    """Whether a row is about the person; see the head of this module."""
    theirs = set(person.identifiers)
    named = [
        _identified(kind, str(row[column]), theirs)
        for column, kind in table.identifying.items()
        if row[column] is not None and str(row[column]).strip()
    ]
    if any(hers for kind, hers in named if kind != "phone_number"):
        return True
    if named:
        numbers = [hers for kind, hers in named if kind == "phone_number"]
        return any(numbers) and len(numbers) == len(named)
    inner = {each.identifier for each in named_in({column: row[column] for column in table.nested})}
    others = {each for each in inner - theirs if each.kind == "email"}
    return not others and bool(inner & theirs)


def mentions(row: Json, person: Person) -> bool:
    """Whether a row has one of their identifiers anywhere, whole, and not as a part of a longer one."""
    theirs = set(person.identifiers)
    return any(each.identifier in theirs or compared(*each.identifier) in theirs for each in mentioned_in(row))


def _profiles(tables: Sequence[Table]) -> list[Table]:
    return [each for each in tables if each.role == _PROFILES]


def _identified(kind: str, value: str, theirs: set[Identifier]) -> tuple[str, bool]:
    """The kind of a column, and whether it names the person. An address may stand where an own id is expected."""
    if kind == "external_id" and "@" in value:
        return kind, compared("email", value) in theirs or compared(kind, value) in theirs
    return kind, compared(kind, value) in theirs


def _parsed(value: object) -> object:
    """A document; its text, where it is none, or nested deeper than a program can follow."""
    if not isinstance(value, str) or (value.count("[") + value.count("{") > _DEEP and _depth(value) > _DEEP):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _depth(text: str) -> int:
    """How deep a document is nested at most; more, where brackets stand in its texts."""
    deepest = depth = 0
    for each in _BRACKET.findall(text):
        depth += 1 if each in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def is_nested(kind: str) -> bool:
    """Whether a type is one of objects or arrays."""
    kind = kind.lower()
    return kind in _JSON_TYPES or any(each in kind for each in _NESTED)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


class DuckDB(Warehouse):
    """A DuckDB file."""

    placeholder = "?"
    text = "VARCHAR"
    columns = (
        "SELECT c.table_schema, c.table_name, c.column_name, c.data_type, t.table_type = 'BASE TABLE', false, NULL"
        " FROM information_schema.columns c JOIN information_schema.tables t"
        " USING (table_catalog, table_schema, table_name)"
        " WHERE c.table_schema IN ({schemas}) ORDER BY c.table_schema, c.table_name, c.ordinal_position"
    )

    def __init__(self, connection: duckdb.DuckDBPyConnection, raw_tables: Mapping[str, str] | None = None) -> None:
        super().__init__(raw_tables)
        self._connection = connection

    def key_of(self, table: Table, *, of: str = "") -> Key:  # noqa: ARG002 - every table has it
        """See `Warehouse`."""
        return Key(f"{of}.rowid" if of else "rowid", "?", "BIGINT")

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See `Warehouse`."""
        try:
            return self._connection.execute(query, list(values)).fetchall()
        except duckdb.Error as error:
            raise _unreadable(error) from error

    def change(self, statement: str, values: Sequence[object] = ()) -> None:
        """See `Warehouse`."""
        self.rows(statement, values)

    def as_text(self, placeholder: str, kind: str) -> str:
        """See `Warehouse`."""
        is_json = kind.lower() in _JSON_TYPES or not is_nested(kind)
        return f"CAST({placeholder} AS {kind})" if is_json else f"CAST(CAST({placeholder} AS JSON) AS {kind})"

    def has_any(self, text: str, parts: Sequence[str]) -> tuple[str, list[object]]:
        """See `Warehouse`."""
        # Not as a value: an expression that is known beforehand is quicker.
        expression = "|".join(map(re.escape, parts)).replace("\0", r"\x00").replace("'", "''")
        if not expression.isascii():
            return f"regexp_matches(lower({text}), '{expression}')", []
        # Quicker than small letters of every text, of which "i" is also that of a letter that it does not match.
        either = expression.replace("i", "[i\u0130]")
        return f"regexp_matches({text}, '(?i){either}')", []


class Postgres(Warehouse):
    """A PostgreSQL database, in one snapshot."""

    placeholder = "%s"
    text = "text"
    # Its information schema leaves out what this user may not read: that would be missing without a word.
    columns = (
        "SELECT n.nspname, c.relname, a.attname, "
        " format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), a.atttypmod), c.relkind IN ('r', 'p'),"
        " c.relkind = 'p', (SELECT m.nspname FROM pg_class w JOIN pg_namespace m ON m.oid = w.relnamespace"
        " WHERE c.relispartition AND w.oid = pg_partition_root(c.oid))"
        " FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'v', 'm', 'p', 'f')"
        " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY n.nspname, c.relname, a.attnum"
    )

    def __init__(self, connection: psycopg.Connection, raw_tables: Mapping[str, str] | None = None) -> None:
        super().__init__(raw_tables)
        self._connection = connection

    def key_of(self, table: Table, *, of: str = "") -> Key:
        """See `Warehouse`."""
        prefix = f"{of}." if of else ""
        if table.is_partitioned:  # a place is that of a row in its part alone
            return Key(f"concat({prefix}tableoid, {prefix}ctid)", "%s", "text")
        return Key(f"{prefix}ctid", "CAST(%s AS tid)", "tid")

    def of_itself(self, table: Table) -> str:
        """See `Warehouse`."""
        return table.quoted if table.is_partitioned else f"ONLY {table.quoted}"

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See `Warehouse`."""
        try:
            return self._connection.execute(query, list(values)).fetchall()
        except psycopg.Error as error:
            raise _unreadable(error) from error

    def change(self, statement: str, values: Sequence[object] = ()) -> None:
        """See `Warehouse`."""
        try:
            self._connection.execute(statement, list(values) or None)
        except psycopg.Error as error:
            raise _unreadable(error) from error

    def as_text(self, placeholder: str, kind: str) -> str:
        """See `Warehouse`."""
        if kind.endswith("[]"):
            elements = f"ARRAY(SELECT json_array_elements_text(CAST({placeholder}::text AS json)))"
            return f"CASE WHEN {placeholder}::text IS NOT NULL THEN CAST({elements} AS {kind}) END"
        return f"CAST({placeholder}::text AS {kind})"

    def has_any(self, text: str, parts: Sequence[str]) -> tuple[str, list[object]]:
        """See `Warehouse`."""
        # Small letters, which cost more than the search, are made once for all of them.
        escaped = [_WILD.sub(r"\\\g<0>", each) for each in parts]
        return f"lower({text}) LIKE ANY (CAST(%s AS text[]))", [[f"%{each}%" for each in escaped]]


@contextmanager
def opened(
    warehouse: str, raw_tables: Mapping[str, str] | None = None, *, writable: bool = False
) -> Iterator[Warehouse]:
    """The warehouse of a setting: the path of a DuckDB file, or a `postgresql://` URL.

    Args:
        warehouse: The setting.
        raw_tables: What raw tables are called that have another name than in this project.
        writable: Whether anything is to be changed; what is then read is in no transaction but those begun.

    Raises:
        ProgramError: it cannot be opened.
    """
    if warehouse.startswith(("postgresql://", "postgres://")):
        try:
            connection = psycopg.connect(warehouse, options=_SESSION)
            connection.read_only = not writable
            connection.autocommit = writable
        except psycopg.Error as error:
            message = (
                "the setting `warehouse` names a PostgreSQL that cannot be reached: check its address and user"
            )
            raise ProgramError(message) from error
        with closing(connection):
            yield Postgres(connection, raw_tables)
        return
    path = Path(warehouse)
    if not path.is_file():
        message = f"the setting `warehouse` names {warehouse!r}, where there is no DuckDB file"
        raise ProgramError(message)
    try:
        file = duckdb.connect(str(path), read_only=not writable)
        file.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    except duckdb.Error as error:
        raise _unreadable(error) from error
    with closing(file):
        yield DuckDB(file, raw_tables)


def _unreadable(error: Exception) -> ProgramError:
    """Never with the database's own text beyond its kind, which may quote a row."""
    busy = "Could not set lock" in str(error)
    remedy = (
        "another process writes to it: wait for it" if busy else "see that this user may read every table of it"
    )
    return ProgramError(f"the warehouse cannot be read ({type(error).__name__}): {remedy}")
