"""Where in an event a value stands: `properties.order_id`, `context.page.url`, `item.sku`, `user_id`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from singer_program.definitions.keys import MEMBER
from singer_program.definitions.yaml_values import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_program.definitions.yaml_values import Value

MAX_KEYS = 4
MAX_LENGTH_OF_UNIQUE_ID = 200
"""Of its fixed part, so that Klaviyo's 255 characters hold the rest."""
_KEY = re.compile(MEMBER)
_BRACES = re.compile(r"\{([^{}]*)\}")
_TIMES = " * "
_UPPER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Root(StrEnum):
    """What a path begins with."""

    PROPERTIES = "properties"
    CONTEXT = "context"
    ITEM = "item"
    USER_ID = "user_id"
    ANONYMOUS_ID = "anonymous_id"
    MESSAGE_ID = "message_id"
    EVENT = "event"
    TYPE = "type"


_DOCUMENTS = (Root.PROPERTIES, Root.CONTEXT, Root.ITEM)
OF_AN_EVENT = tuple(root for root in Root if root is not Root.ITEM)
OF_AN_ITEM = tuple(Root)


@dataclass(frozen=True, slots=True)
class Path:
    """The way to a value.

    Attributes:
        root: The document or column it is in.
        keys: Of a document, one inside the other.
        times: By what it is multiplied; where that is missing, by 1.
    """

    root: Root
    keys: tuple[str, ...] = ()
    times: Path | None = None

    def __str__(self) -> str:
        way = ".".join((self.root, *self.keys))
        return f"{way}{_TIMES}{self.times}" if self.times else way

    def as_column(self) -> Path:
        """The same where each property is a column of its own: `context.page.url` is `context_page_url` there.

        Segment and RudderStack write names in small letters with underscores.
        """
        times = self.times.as_column() if self.times else None
        if self.root is Root.ITEM or not self.keys:
            return replace(self, times=times)
        return replace(self, keys=("_".join(_snake_case(key) for key in self.keys),), times=times)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a `unique_id`: a fixed text, or where it stands."""

    text: str = ""
    paths: tuple[Path, ...] = ()


def unique_id_text(parts: Iterable[Part]) -> str:
    """The parts as `read_unique_id` takes them."""
    return "".join(f"{{{'|'.join(map(str, part.paths))}}}" if part.paths else part.text for part in parts)


def _snake_case(key: str) -> str:
    return re.sub(r"[ -]", "_", _UPPER.sub("_", key)).lower()


def read_path(value: Value, roots: Sequence[Root] = OF_AN_EVENT) -> Path | None:
    """A path with one of these roots; none after a fault."""
    text = value.text()
    return _path(value, text, roots) if text.strip() else None


def _read_amount(value: Value, roots: Sequence[Root]) -> Path | None:
    """A path, or a product of two: `item.price * item.quantity`."""
    text = value.text()
    first, *others = (each.strip() for each in text.split(_TIMES))
    path = _path(value, first, roots) if first else None
    if len(others) > 1:
        value.fault(f"`{text}` is a product of more than two", "name two, such as `item.price * item.quantity`")
    if path is None or len(others) != 1:
        return path
    times = _path(value, others[0], roots)
    return replace(path, times=times) if times else None


def read_paths(value: Value, roots: Sequence[Root] = OF_AN_EVENT) -> tuple[Path, ...]:
    """A path or product, or a list of which the first counts that holds something; none after a fault."""
    values = value.sequence() if value.is_list else [value] if value.given else []
    if value.is_list and not values:
        value.fault("is an empty list", "name a path, such as `properties.email`, or remove the key")
    return tuple(path for each in values if (path := _read_amount(each, roots)))


def read_unique_id(value: Value, roots: Sequence[Root]) -> tuple[Part, ...]:
    """A text with paths in braces, `{properties.order_id}:{item.sku|item.name}`; none after a fault."""
    text = value.text()
    parts = tuple(_parts(value, text, roots)) if text.strip() else ()
    if not text.strip():
        return ()
    fixed = "".join(part.text for part in parts)
    if "{" in fixed or "}" in fixed:
        value.fault(f"`{text}` has a brace without its other half", "write each path as `{properties.order_id}`")
    elif len(fixed) > MAX_LENGTH_OF_UNIQUE_ID:
        value.fault(f"has more than {MAX_LENGTH_OF_UNIQUE_ID} fixed characters", "shorten it")
    elif not any(part.paths for part in parts) and not _BRACES.search(text):
        remedy = "put a path in braces, such as `{properties.order_id}`"
        value.fault("is the same for all events, of which Klaviyo would keep one", remedy)
    return parts


def _parts(value: Value, text: str, roots: Sequence[Root]) -> Iterator[Part]:
    end = 0
    for match in _BRACES.finditer(text):
        if match.start() > end:
            yield Part(text=text[end : match.start()])
        paths = tuple(path for each in match[1].split("|") if (path := _path(value, each.strip(), roots)))
        yield Part(paths=paths)
        end = match.end()
    if end < len(text):
        yield Part(text=text[end:])


def _path(value: Value, text: str, roots: Sequence[Root]) -> Path | None:
    root, *keys = text.split(".")
    if root not in set(roots):
        if root == Root.ITEM:
            value.fault(f"`{text}` is of no item", "`item.…` stands below `per` and `each` only")
        else:
            remedy = did_you_mean(root, [each.value for each in roots])
            value.fault(f"`{text}` begins with nothing that an event has", remedy)
        return None
    found = Root(root)
    if found not in _DOCUMENTS:
        if keys:
            value.fault(f"`{text}` goes into a text", f"write `{root}`")
            return None
    elif not keys and found is not Root.ITEM:
        value.fault(f"`{text}` is a whole document", f"name one member, such as `{root}.email`")
        return None
    elif len(keys) > MAX_KEYS:
        value.fault(f"`{text}` is deeper than {MAX_KEYS} levels", "bring the value further up in the source")
        return None
    for key in keys:
        if not _KEY.fullmatch(key):
            remedy = "use letters, digits, spaces, `_`, `-` and `$`, and a dot between levels"
            value.fault(f"`{key}` in `{text}` cannot be looked up in every warehouse", remedy)
            return None
    return Path(found, tuple(keys))
