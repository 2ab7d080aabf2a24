"""The hours of a store: which there are, and how one takes the place of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from exposure_export.hours import Window, folder_of, hour_in, text_of
from exposure_export.manifest import DATA, MANIFEST, File, Manifest, Source, read_manifest

if TYPE_CHECKING:
    from exposure_export.stores import Store

_AT_ONCE = 16
"""Manifests that are read at a time: of a bucket, each takes a way there and back."""


@dataclass(frozen=True)
class Held:
    """An hour that is there.

    Attributes:
        manifest: Of it; None where there is none that can be read.
        size: Bytes of its file; None where there is none.
    """

    manifest: Manifest | None = None
    size: int | None = None

    def is_of(self, source: Source) -> bool:
        """Whether it was made of what the table says now, and is whole."""
        found = self.manifest
        if found is None or found.next or found.source != source:
            return False
        return [file.bytes for file in found.files] == [self.size]


@dataclass(frozen=True)
class Folder:
    """The hours of a store, which is held.

    Args:
        store: It.
        now: The wall clock.
    """

    store: Store
    now: Callable[[], datetime]
    _held: dict[datetime, Held] = field(default_factory=dict)

    def is_empty(self) -> bool:
        """Whether it has no hour at all."""
        return not any(self._days(None))

    def hours(self, window: Window) -> Mapping[datetime, Held]:
        """The hours of a window that are there, with what is known of them."""
        sizes: dict[datetime, dict[str, int]] = {}
        for day in self._days(window):
            for path, size in self.store.files(day).items():
                folder, _, name = path.rpartition("/")
                hour = hour_in(folder)
                if hour is not None and window.holds(hour) and name in {DATA, MANIFEST}:
                    sizes.setdefault(hour, {})[name] = size
        told = [hour for hour, names in sizes.items() if MANIFEST in names]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            manifests = dict(zip(told, pool.map(self._manifest, told), strict=True))
        self._held.update({hour: Held(manifests.get(hour), names.get(DATA)) for hour, names in sizes.items()})
        return {hour: self._held[hour] for hour in sizes}

    def replace(self, hour: datetime, made: Path, rows: int, source: Source) -> None:
        """Put a file in the place of an hour's.

        Whenever somebody looks, the manifest tells of the file that is there: both are told before one
        is replaced by the other. A run that is killed in between leaves that, and the next does the hour again.

        Args:
            hour: The hour, which `hours` has looked at, or that is not there.
            made: The file.
            rows: Rows in it.
            source: What it was made of.
        """
        held, file = self._held.get(hour, Held()), File.of(made, rows)
        self._tell(hour, *_before(held), _following(held, file))
        self.store.put(f"{folder_of(hour)}/{DATA}", made)
        self._tell(hour, [file], source, [])

    def remove(self, hour: datetime) -> None:
        """Remove an hour, which `hours` has looked at."""
        held, folder = self._held[hour], folder_of(hour)
        if held.size is not None:
            self._tell(hour, *_before(held), _following(held, None))
            self.store.remove(f"{folder}/{DATA}")
        self.store.remove(f"{folder}/{MANIFEST}")
        self.store.prune(folder)

    def _tell(
        self, hour: datetime, files: list[File], source: Source | None, following: list[File | None]
    ) -> None:
        manifest = Manifest(text_of(hour), self.now().strftime("%Y-%m-%dT%H:%M:%SZ"), files, following, source)
        made = self.store.unfinished / MANIFEST
        made.write_bytes(manifest.text())
        self.store.put(f"{folder_of(hour)}/{MANIFEST}", made)

    def _manifest(self, hour: datetime) -> Manifest | None:
        path = f"{folder_of(hour)}/{MANIFEST}"
        return read_manifest(self.store.read(path), f"{self.store.address}/{path}")

    def _days(self, window: Window | None) -> Iterator[str]:
        """The folders of days, of a window's months or of all."""
        for year in self._numbered("", 4):
            if window and not window.holds_some_of(int(year)):
                continue
            for month in self._numbered(year, 2):
                if not 1 <= int(month) <= 12 or (window and not window.holds_some_of(int(year), int(month))):  # noqa: PLR2004
                    continue
                for day in self._numbered(f"{year}/{month}", 2):
                    yield f"{year}/{month}/{day}"

    def _numbered(self, path: str, digits: int) -> list[str]:
        names = self.store.folders(path)
        return sorted(name for name in names if len(name) == digits and name.isascii() and name.isdecimal())


def _before(held: Held) -> tuple[list[File], Source | None]:
    """What is told of an hour until it is another."""
    return (list(held.manifest.files), held.manifest.source) if held.manifest else ([], None)


def _following(held: Held, file: File | None) -> list[File | None]:
    """What may be in the file's place, also by a run that was killed."""
    return [*(each for each in (held.manifest.next if held.manifest else ()) if each != file), file]
