"""Where files are: the protocols, each a function that makes its file system out of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from singer_program.errors import ProgramError
from tap_klaviyo_files.places.place import Found, Place
from tap_klaviyo_files.places.s3 import s3_place
from tap_klaviyo_files.places.sftp import sftp_place

__all__ = ["Found", "Place", "place_of"]

Config = Mapping[str, Any]


def _disk(path: str, _: Config) -> tuple[Place, str]:
    where = str(Path(path.removeprefix("file://")).expanduser().absolute())
    return Place(LocalFileSystem(), ""), where + "/" * path.endswith("/")


_PLACES: Mapping[str, Callable[[str, Config], tuple[Place, str]]] = {
    "": _disk,
    "file": _disk,
    "s3": s3_place,
    "sftp": sftp_place,
}


def place_of(path: str, config: Config) -> tuple[Place, str]:
    """The file system that a path of the setting `files` is on, and the path there.

    Raises:
        ProgramError: there is no such file system, or the path holds a password.
    """
    scheme = path.partition("://")[0] if "://" in path else ""
    if scheme not in _PLACES:
        known = ", ".join(f"`{name}://`" for name in _PLACES if name)
        message = f"the setting `files` has a path that begins with `{scheme}://`: there are {known}, and paths"
        raise ProgramError(message)
    if scheme and urlsplit(path).password is not None:
        message = "the setting `files` has a path with a password in it: give it by `sftp_password`, or use a key"
        raise ProgramError(message)
    return _PLACES[scheme](path, config)
