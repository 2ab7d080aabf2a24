"""The package that a person is given: a folder of JSON and CSV, a manifest, and a page that explains them.

It is made in a folder of its own beside its place and put there whole, with nobody's eyes on it but its owner's.
The same state gives the same bytes in every file but the manifest, whose `generated_at` and `sources[].read_at`
are of the run; its `contents_sha256` is over the others.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from singer_program.errors import ProgramError
from singer_program.private import beside, sync_folder

Json = dict[str, Any]
MANIFEST, README = "manifest.json", "README.md"
FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can name; that of every file in one."""
_UNIX = 3

DESCRIPTIONS: Mapping[str, str] = {
    "profile": "Your profile at Klaviyo, which sends our messages: names, addresses, and whatever else",
    "subscriptions": "What you agreed to and what you declined: consent by channel, with its time and method",
    "predictive_analytics": "What was inferred about you: predicted, not told by you",
    "lists": "The lists that you are on",
    "segments": "The groups that your data puts you into",
    "push_tokens": "Your devices that may get push messages",
    "conversations": "Conversations with you, by channel",
    "coupon_codes": "Coupon codes that you were given",
    "events": "What happened: messages that you got, opened and clicked, orders, visits",
    "flow_enrolments": "Automated series of messages that you were in, as far as messages of them reached you",
}
"""By category, for the person; tables of the warehouse are described by their names."""
_NUMBER = re.compile(r"[+-]?[\d\s().,/-]+")


@dataclass(frozen=True)
class Contents:
    """What goes into a package.

    Attributes:
        manifest: What the manifest says besides files and their hashes.
        categories: Rows by the name of their file, without its ending.
        omissions: What is not in it, or not as it is elsewhere: the category, and why.
        inferred: Names of files that hold what was not told by the person, but predicted.
    """

    manifest: Json
    categories: Mapping[str, Sequence[Json]]
    omissions: Sequence[tuple[str, str]] = field(default_factory=tuple)
    inferred: Collection[str] = ()


def write(out: Path, contents: Contents) -> Json:
    """Put a package in its place, whole; its manifest. A place whose name ends in `.zip` is an archive.

    Raises:
        ProgramError: there is something already, or no room.
    """
    check(out)
    try:
        unfinished = beside(out)
        try:
            unfinished.mkdir(mode=0o700)
            manifest = _fill(unfinished, contents)
            if is_archive(out):
                packed = unfinished / "package"
                _pack(unfinished, [each["path"] for each in manifest["files"]], packed)
                os.link(packed, out)  # fails where something has come meanwhile
            else:
                unfinished.rename(out)  # likewise
            sync_folder(out.absolute().parent)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        message = (
            f"the package cannot be written to {str(out)!r} ({error.strerror}): make room, or give another `--out`"
        )
        raise ProgramError(message) from error
    return manifest


def is_archive(out: Path) -> bool:
    """Whether a package goes into one file."""
    return out.suffix.lower() == ".zip"


def _pack(folder: Path, names: Sequence[str], packed: Path) -> None:
    """One file of the package's: the same for the same files, as to their order and their times, too."""
    descriptor = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with ZipFile(file, "w", compression=ZIP_DEFLATED, compresslevel=9) as archive:
            for name in (MANIFEST, *names):
                entry = ZipInfo(name, _EPOCH)
                entry.create_system, entry.external_attr = _UNIX, 0o600 << 16
                entry.compress_type = ZIP_DEFLATED
                with (folder / name).open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)
        file.flush()
        os.fsync(file.fileno())


def check(out: Path) -> None:
    """See that a package can be put there.

    Raises:
        ProgramError: it cannot; nothing that is there is ever written over.
    """
    if is_archive(out) and (out.is_symlink() or out.exists()):
        message = f"{str(out)!r} is there already: give another `--out`"
        raise ProgramError(message)
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        message = f"{str(out)!r} is there already and not an empty folder: give another `--out`"
        raise ProgramError(message)
    if not out.absolute().parent.is_dir():
        message = f"{str(out)!r} would be in a folder that does not exist: make it, or give another `--out`"
        raise ProgramError(message)


def _fill(folder: Path, contents: Contents) -> Json:
    files: list[Json] = []

    def put(name: str, content: bytes, rows: int | None = None) -> None:
        path = folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if name != MANIFEST:
            told = {
                "path": name,
                "rows": rows,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            files.append({key: value for key, value in told.items() if value is not None})

    for name, rows in sorted(contents.categories.items()):
        encoded = sorted(map(as_json, rows))
        put(f"{name}.json", b"[" + b",\n".join(encoded) + b"]\n", len(encoded))
        put(f"{name}.csv", as_csv([msgspec.json.decode(each) for each in encoded]), len(encoded))
    put(README, readme(contents).encode())
    listing = "".join(f"{each['sha256']}  {each['path']}\n" for each in files)
    manifest = {
        "format": FORMAT,
        **contents.manifest,
        "files": files,
        "contents_sha256": hashlib.sha256(listing.encode()).hexdigest(),
        "inferred": sorted({*contents.inferred} & contents.categories.keys()),
        "omissions": [{"category": category, "reason": reason} for category, reason in contents.omissions],
    }
    put(MANIFEST, msgspec.json.format(as_json(manifest), indent=2) + b"\n")
    for each in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        sync_folder(each)
    return manifest


def as_json(value: object) -> bytes:
    """A value as JSON, its members in order; what JSON has no word for as text, bytes in base64."""
    return _encoder.encode(value)


_encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number", order="deterministic")


def as_csv(rows: Sequence[Json]) -> bytes:
    """A table of the rows: what is nested is JSON in a cell.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; the JSON beside it is exact.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    if columns:
        table.writerow(columns)
        table.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return as_json(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def readme(contents: Contents) -> str:
    """The page that a person reads: the same for the same contents."""
    lines = [
        "# Your data",
        "",
        "This folder holds what is kept about you. Each table is there twice: as `.json`, exact and for programs,",
        "and as `.csv`, which opens in a spreadsheet. `manifest.json` says where everything was read, and when.",
        "",
        "| file | rows | what it is |",
        "|---|---|---|",
    ]
    for name, rows in sorted(contents.categories.items()):
        described = DESCRIPTIONS.get(name, f"Rows about you in our own database: `{name.rpartition('/')[2]}`")
        if name in contents.inferred and name not in DESCRIPTIONS:
            described = f"{DESCRIPTIONS['predictive_analytics']}, as our own database has it"
        if name.startswith("rejects/"):
            described = "Data about you that was refused on its way to or from Klaviyo"
        lines.append(f"| `{name}.json`, `{name}.csv` | {len(rows):,} | {described} |")
    if not any(contents.categories.values()):
        lines += ["", "Nothing was found about the identifiers that you gave."]
    if contents.omissions:
        lines += ["", "## What is not in it, and why", ""]
        lines += [f"- `{category}`: {reason}" for category, reason in contents.omissions]
    controller = contents.manifest.get("controller")
    if isinstance(controller, dict) and controller.get("name"):
        contact = controller.get("contact")
        lines += ["", "## Who is responsible", "", f"{controller['name']}{f', {contact}' if contact else ''}"]
    return "\n".join(lines) + "\n"
