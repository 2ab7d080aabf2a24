"""The settings, and a `Source` of each entry of `files`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from singer_sdk import typing as th

from singer_program.errors import ProgramError
from tap_klaviyo_files.formats import TextFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_FILES = ("events", "profiles", "list_memberships", "segment_memberships")
"""The streams whose rows come out of files."""
DEFAULT_REJECTS_PATH = "tap-klaviyo-files-rejects.jsonl"

_TEXTS = th.ObjectType(additional_properties=th.StringType)
_SOURCE = th.ObjectType(
    th.Property("path", th.StringType, required=True),
    th.Property("stream", th.StringType, required=True, allowed_values=[*OF_FILES]),
    th.Property("columns", _TEXTS),
    th.Property("metric", th.StringType),
    th.Property("metric_ids", _TEXTS),
    th.Property("integration", th.StringType),
    th.Property("list_id", th.StringType),
    th.Property("segment_id", th.StringType),
    th.Property("timezone", th.StringType),
    th.Property("encoding", th.StringType),
    th.Property("delimiter", th.StringType),
    additional_properties=False,
)

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "files",
        th.ArrayType(_SOURCE),
        required=True,
        title="Files",
        description="What is read, and as what: objects with `path` (a file, a folder or a pattern; on disk,"
        " `s3://bucket/…` or `sftp://user@host/…`), `stream` (`events`, `profiles`, `list_memberships` or"
        " `segment_memberships`) and, as far as needed, the keys that the README lists",
    ),
    th.Property(
        "settle_seconds",
        th.IntegerType(minimum=0),
        default=60,
        title="Time to settle",
        description="A file on disk or SFTP that was changed less than so many seconds ago may still be being"
        " written, and is left to the next run",
    ),
    th.Property(
        "max_rejects",
        th.IntegerType(minimum=0),
        default=100,
        title="Rows put aside",
        description="Rows of a file that may be put aside because they cannot be read; with one more the file"
        " counts as unread",
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        default=DEFAULT_REJECTS_PATH,
        title="Rejects file",
        description="File that rows which cannot be read are named in, as JSON lines; made for the first one",
    ),
    th.Property(
        "sftp_private_key_path",
        th.StringType,
        title="SFTP private key",
        description="File of the private key. Without key and password those of `~/.ssh` and the agent are tried",
    ),
    th.Property(
        "sftp_private_key_passphrase",
        th.StringType,
        secret=True,
        title="SFTP passphrase",
        description="Passphrase of the private key",
    ),
    th.Property(
        "sftp_password",
        th.StringType,
        secret=True,
        title="SFTP password",
        description="Password, instead of a key",
    ),
    th.Property(
        "sftp_known_hosts_path",
        th.StringType,
        default="~/.ssh/known_hosts",
        title="SFTP known hosts",
        description="File with the keys of servers, as `ssh` keeps it: no other server is spoken to",
    ),
    th.Property(
        "s3_endpoint_url",
        th.StringType,
        title="S3 endpoint",
        description="Scheme and host of a store that speaks S3's protocol, if it is not Amazon's",
    ),
    th.Property("s3_region", th.StringType, title="S3 region", description="Region of the bucket"),
    th.Property(
        "s3_access_key_id",
        th.StringType,
        secret=True,
        title="S3 access key",
        description="Access key; without one, that of the environment, of a profile or of the machine's role",
    ),
    th.Property(
        "s3_secret_access_key", th.StringType, secret=True, title="S3 secret key", description="Its secret key"
    ),
    th.Property(
        "s3_session_token", th.StringType, secret=True, title="S3 session token", description="Token of a session"
    ),
    th.Property(
        "forgotten_path",
        th.StringType,
        title="People who asked to be forgotten",
        description="Their list, a keyed hash a line: rows of theirs are not passed on. A list that cannot be read"
        " ends the run",
    ),
    th.Property(
        "forgotten_key",
        th.StringType,
        secret=True,
        title="Key of the list",
        description="Key of the hashes of that list",
    ),
).to_dict()


@dataclass(frozen=True)
class Source:
    """An entry of the setting `files`.

    Attributes:
        path: Where the files are.
        stream: What they become.
        zone: Of moments that have none.
        text: How a text is read.
        columns: Names in the files by the names that the mapping knows.
        metric: What all rows of the files are, where no column says it.
        metric_ids: Klaviyo's ids of metrics by their names.
        integration: Klaviyo's key of the integration that metrics without an id are of.
        group: Id of the list or segment, where no column says it.
    """

    path: str
    stream: str
    zone: tzinfo
    text: TextFormat = field(default_factory=TextFormat)
    columns: Mapping[str, str] = field(default_factory=dict)
    metric: str | None = None
    metric_ids: Mapping[str, str] = field(default_factory=dict)
    integration: str | None = None
    group: str | None = None


def sources(config: Mapping[str, Any]) -> list[Source]:
    """The entries of the setting `files`, which the schema has checked.

    Raises:
        ProgramError: there is none, or a value that the schema cannot check is wrong.
    """
    entries = config.get("files") or ()
    if not entries:
        message = (
            'the setting `files` is empty: name what is read, such as [{"path": "exports/", "stream": "events"}]'
        )
        raise ProgramError(message)
    return [_source(entry) for entry in entries]


def _source(entry: Mapping[str, Any]) -> Source:
    stream = entry["stream"]
    name = entry.get("timezone") or "UTC"
    try:
        zone = UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"the setting `files` has the timezone {name!r}: name one as Europe/Berlin is named"
        raise ProgramError(message) from None
    delimiter = entry.get("delimiter")
    if delimiter is not None and len(delimiter) != 1:
        message = f"the setting `files` has the delimiter {delimiter!r}: it is a single character"
        raise ProgramError(message)
    own = {
        "events": {"metric", "metric_ids", "integration"},
        "list_memberships": {"list_id"},
        "segment_memberships": {"segment_id"},
    }
    others = set().union(*own.values()) - own.get(stream, set())
    if wrong := sorted(others & set(entry)):
        message = (
            f"the setting `files` has the key `{wrong[0]}`, which the stream `{stream}` does not know: remove it"
        )
        raise ProgramError(message)
    return Source(
        entry["path"],
        stream,
        zone,
        TextFormat(entry.get("encoding") or "utf-8", delimiter),
        entry.get("columns") or {},
        entry.get("metric"),
        entry.get("metric_ids") or {},
        entry.get("integration"),
        entry.get("list_id") or entry.get("segment_id"),
    )
