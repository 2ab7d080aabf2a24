"""S3, and what speaks its protocol, by the library that comes with pyarrow."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]
from pyarrow import fs  # type: ignore[import-untyped]

from singer_program.errors import ProgramError
from tap_klaviyo_files.places.place import Place, Windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WINDOW = 8 << 20
"""Bytes of a request."""


def s3_place(path: str, config: Mapping[str, Any]) -> tuple[Place, str]:
    """The bucket of `s3://bucket/path`.

    Without a key in the settings, that of the environment, a profile or the machine is used.

    Raises:
        ProgramError: the settings contradict each other.
    """
    options: dict[str, Any] = {"region": config.get("s3_region")}
    if endpoint := config.get("s3_endpoint_url"):
        address = urlsplit(endpoint)
        options |= {"endpoint_override": address.netloc, "scheme": address.scheme}
    key, secret = config.get("s3_access_key_id"), config.get("s3_secret_access_key")
    if bool(key) != bool(secret):
        message = "the settings `s3_access_key_id` and `s3_secret_access_key` go together: set both, or none"
        raise ProgramError(message)
    if key:
        options |= {"access_key": key, "secret_key": secret, "session_token": config.get("s3_session_token")}
    system = fs.S3FileSystem(**{name: value for name, value in options.items() if value is not None})

    def opened(where: str) -> IO[bytes]:
        stream = system.open_input_stream(where, compression=None)
        return cast("IO[bytes]", Windows(_parts(stream), stream.close))

    # An object appears when it is whole. Its path begins with the bucket: `S3FileSystem` knows no other.
    place = Place(ArrowFSWrapper(system, skip_instance_cache=True), "s3://", opened, grows=False)
    return place, path.partition("://")[2]


def _parts(stream: Any) -> Iterator[bytes]:  # noqa: ANN401 - pyarrow has no types
    while part := stream.read(_WINDOW):
        yield part
