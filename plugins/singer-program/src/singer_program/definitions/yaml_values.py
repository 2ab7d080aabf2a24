"""Typed reading of a YAML document that remembers lines and reports every fault instead of stopping at the first.

The document is composed, not loaded: what a scalar says is judged from its own text, so that YAML 1.1's surprises
(`no` is a boolean, `1_000` an integer, `2026-04-01` a date, the second of two equal keys wins) become faults.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import yaml

from singer_program.definitions.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")
_PERCENT = re.compile(r"(?:0|[1-9][0-9]{0,3})(?:\.[0-9]{1,2})?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_KINDS = {"bool": "a boolean", "int": "a number", "float": "a number", "timestamp": "a date", "null": "empty"}

E = TypeVar("E", bound=StrEnum)


_MANY = 12


def misnamed(name: str) -> tuple[str, str]:
    """What is wrong with a name that is no `KEY`, and its remedy."""
    remedy = "use 1 to 40 small letters, digits and underscores, beginning with a letter"
    return f"`{name}` cannot be used as a name", remedy


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The remedy for an unknown word: the nearest known word, else a list of the known ones."""
    names = list(known)
    if near := difflib.get_close_matches(word, names, n=1):
        return f"did you mean `{near[0]}`?"
    listed = ", ".join(f"`{name}`" for name in names[:_MANY])
    return f"use one of {listed}{', …' if len(names) > _MANY else ''}" if names else "there is none to choose from"


@dataclass(slots=True)
class Document:
    """A YAML file under inspection.

    Attributes:
        file: The file's name in messages.
        faults: What was found wrong so far.
        lines: Where each key path that was read stands.
    """

    file: str
    faults: list[Fault] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def fault(self, problem: str, remedy: str, *, key: str = "", line: int = 0) -> None:
        """Record a fault of this file."""
        self.faults.append(Fault(self.file, line, key, problem, remedy))

    def root(self, text: str) -> Value:
        """The document's content; faults in the YAML itself are recorded and give an absent value."""
        node: yaml.Node | None = None
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            self.fault(f"is not valid YAML: {error.problem}", "correct the syntax at this line", line=line)
        except yaml.YAMLError as error:  # a character YAML forbids
            self.fault(f"is not valid YAML: {error}", "remove the character")
        except RecursionError:
            self.fault("is nested too deeply", "no definition needs so many levels")
        else:
            if node is None:
                self.fault("is empty", "write the definition, or remove the file")
        return Value(self, "", node, 1 if node else 0)


@dataclass(frozen=True, slots=True)
class Value:
    """A value at a path of a document.

    Every accessor that meets a fault records it and returns a stand-in of its type; an absent value gives the
    stand-in silently, because its absence is already recorded. Whoever reads a document looks at its faults before
    using what was read.
    """

    document: Document
    path: str
    node: yaml.Node | None
    line: int
    """Where it stands, from 1: the line of its key, if it has one. Absent: where it should stand."""

    @property
    def given(self) -> bool:
        """Whether the document holds this value."""
        return self.node is not None

    def fault(self, problem: str, remedy: str) -> None:
        """Record a fault of this value."""
        self.document.fault(problem, remedy, key=self.path, line=self.line)

    def text(self) -> str:
        """A non-blank string."""
        node = self._scalar("text")
        if node is None:
            return ""
        if node.tag != _STRING:
            kind = _KINDS.get(node.tag.rpartition(":")[2], f"of type {node.tag}")
            remedy = "give a text" if node.tag == _NULL else f"put it in quotes: '{node.value}'"
            self.fault(f"`{node.value}` is read by YAML as {kind}, not as text", remedy)
            return ""
        return self._sound(node)

    def word(self) -> str:
        """Any scalar as the text that was written: `NO` gives `NO`, not false; `2` and `'2'` both give `2`."""
        node = self._scalar("a text, a number or a boolean")
        if node is None:
            return ""
        if node.tag == _NULL:
            self.fault("is empty", "give a value")
            return ""
        return self._sound(node)

    def _sound(self, node: yaml.ScalarNode) -> str:
        if not node.value.strip():
            self.fault("is blank", "give a text")
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            self.fault("holds half of a surrogate pair", "write the character itself")
        return str(node.value)

    def key(self) -> str:
        """A name that may become part of a token, a link parameter and a property name."""
        name = self.text()
        if name.strip() and not KEY.fullmatch(name):
            self.fault(*misnamed(name))
        return name

    def integer(self, lowest: int, highest: int) -> int:
        """A whole number within bounds, both inclusive."""
        node = self._scalar("a whole number")
        if node is None:
            return lowest
        if node.style is None and _INTEGER.fullmatch(node.value) and lowest <= int(node.value) <= highest:
            return int(node.value)
        problem = f"`{node.value}` is not a whole number from {lowest} to {highest}"
        self.fault(problem, "write plain digits, such as 7")
        return lowest

    def number(self) -> str:
        """A decimal number, as written."""
        node = self._scalar("a number")
        if node is None:
            return ""
        if node.style is None and _NUMBER.fullmatch(node.value):
            return str(node.value)
        self.fault(f"`{node.value}` is not a number", "write plain digits, such as 18 or 2.5")
        return ""

    def scalar(self) -> str | bool | Decimal:
        """A text, a number or a boolean, as JSON would have it: what stands in quotes is a text."""
        node = self.node
        if isinstance(node, yaml.ScalarNode) and node.style is None:
            if node.value in {"true", "false"}:
                return self.boolean()
            if _NUMBER.fullmatch(node.value):
                return Decimal(node.value)
        return self.text()

    def day(self) -> date | None:
        """A day; none after a fault."""
        node = self._scalar("a date")
        if node is None:
            return None
        try:
            if _DATE.fullmatch(node.value):
                return date.fromisoformat(node.value)
        except ValueError:
            pass
        self.fault(f"`{node.value}` is not a date", "write year, month and day: 2026-12-31")
        return None

    def basis_points(self, highest: int = 100) -> int | None:
        """A percentage from 0 with at most two decimals, in basis points; none after a fault."""
        node = self._scalar("a percentage")
        if node is None:
            return None
        if node.style is None and _PERCENT.fullmatch(node.value) and Decimal(node.value) <= highest:
            return int(Decimal(node.value) * 100)
        problem = f"`{node.value}` is not a percentage from 0 to {highest}"
        self.fault(problem, "write a number with at most two decimals, such as 12.5")
        return None

    def boolean(self) -> bool:
        """`true` or `false`."""
        node = self._scalar("true or false")
        if node is None:
            return False
        if node.style is not None or node.value not in {"true", "false"}:
            self.fault(f"`{node.value}` is not true or false", "write `true` or `false`")
        return bool(node.value == "true")

    def choice(self, options: type[E]) -> E:
        """One word of a fixed list."""
        first, *_ = options
        words = [option.value for option in options]
        word = self.one_of(words, lambda word: did_you_mean(word, words))
        return options(word) if word else first

    def one_of(self, words: Collection[str], remedy: Callable[[str], str]) -> str:
        """One word of a list, or nothing; `remedy` says what to do about one that is not in it."""
        node = self._scalar("a word")
        if node is None:
            return ""
        if node.value not in words:
            self.fault(f"`{node.value}` is not known here", remedy(node.value))
            return ""
        return str(node.value)

    def is_word(self, word: str) -> bool:
        """Whether the value is exactly this scalar."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.value == word

    @property
    def is_mapping(self) -> bool:
        """Whether the value is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def sequence(self) -> list[Value]:
        """The values of a list."""
        if self.node is None:
            return []
        if not isinstance(self.node, yaml.SequenceNode):  # not `is_list`: it tells mypy nothing
            self.fault("is not a list", "write `[first, second]` or one `- item` per line")
            return []
        return [
            Value(self.document, f"{self.path}[{index}]", node, node.start_mark.line + 1)
            for index, node in enumerate(self.node.value)
        ]

    def fields(
        self,
        required: Collection[str],
        optional: Collection[str] = (),
        replaced: Mapping[str, str] | None = None,
    ) -> dict[str, Value]:
        """A mapping with a fixed set of keys; every one of them is in the result, the missing ones absent.

        Args:
            required: The keys it must have.
            optional: The keys it may have.
            replaced: Former keys, each with the key that replaced it. They are in the result, so that the caller
                can refuse them. Where a former key is given, the key that replaced it is not reported missing.
        """
        found = self.entries()
        known = [*required, *optional]
        old = replaced or {}
        for name, value in found.items():
            if name not in known and name not in old:
                value.fault("is an unknown key", did_you_mean(name, known))
        values = {
            name: found.get(name, Value(self.document, self._at(name), None, self.line)) for name in [*known, *old]
        }
        if isinstance(self.node, yaml.MappingNode):
            excused = {new for name, new in old.items() if name in found}
            for name in required:
                if not values[name].given and name not in excused:
                    values[name].fault("is missing", "add it")
        return values

    def entries(self, *, keys_are_names: bool = False) -> dict[str, Value]:
        """A mapping whose keys the author chooses: each is a text and, with `keys_are_names`, a valid `key()`."""
        if self.node is None:
            return {}
        if not isinstance(self.node, yaml.MappingNode):
            self.fault("is not a mapping", "write one `name: value` per line, indented")
            return {}
        found: dict[str, Value] = {}
        for key_node, node in self.node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.fault("has a key that is not a text", "use words as keys", key=self.path, line=line)
                continue
            key = Value(self.document, self._at(key_node.value), key_node, line)
            name = key.key() if keys_are_names else key.text()
            if name in found:
                problem = f"stands here twice, first in line {found[name].line}"
                key.fault(problem, "remove one: YAML keeps only the last")
            elif name:
                found[name] = Value(self.document, key.path, node, line)
                self.document.lines[key.path] = line
        return found

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _scalar(self, expected: str) -> yaml.ScalarNode | None:
        if isinstance(self.node, yaml.ScalarNode):
            return self.node
        if self.node is not None:
            self.fault(f"is not {expected}", f"give {expected}")
        return None
