"""Where the hours are written: the protocols, each a function that makes its store out of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from exposure_export.stores.disk import Disk
from exposure_export.stores.s3 import Bucket
from exposure_export.stores.store import Store
from singer_program.errors import ProgramError
from singer_program.s3 import s3_filesystem

if TYPE_CHECKING:
    from exposure_export.settings import ExportSettings

__all__ = ["Store", "store_of"]


def _disk(settings: ExportSettings) -> Store:
    root = Path(settings.destination.removeprefix("file://")).expanduser().absolute()
    return Disk(root, int(settings.file_mode, 8))


def _s3(settings: ExportSettings) -> Store:
    path = settings.destination.partition("://")[2].strip("/")
    if not path or "//" in path:
        message = "the setting `destination` names no bucket: give it as s3://bucket/path"
        raise ProgramError(message)
    system = s3_filesystem(msgspec.structs.asdict(settings))
    return Bucket(system, path, Path(settings.work_path).expanduser().absolute(), settings.lease_seconds)


_STORES: Mapping[str, Callable[[ExportSettings], Store]] = {"": _disk, "file": _disk, "s3": _s3}


def store_of(settings: ExportSettings) -> Store:
    """The store that the setting `destination` names.

    Raises:
        ProgramError: there is no such store, or the address holds a password.
    """
    destination = settings.destination
    scheme = destination.partition("://")[0] if "://" in destination else ""
    if scheme not in _STORES:
        message = f"the setting `destination` begins with `{scheme}://`: there are `s3://`, and paths on disk"
        raise ProgramError(message)
    if scheme and urlsplit(destination).password is not None:
        message = (
            "the setting `destination` has a password in it: give keys by `s3_access_key_id` and its neighbours"
        )
        raise ProgramError(message)
    return _STORES[scheme](settings)
