"""S3, and what speaks its protocol."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, cast

from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]

from singer_program.s3 import s3_filesystem
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
    system = s3_filesystem(config)

    def opened(where: str) -> IO[bytes]:
        stream = system.open_input_stream(where, compression=None)
        return cast("IO[bytes]", Windows(_parts(stream), stream.close))

    # An object appears when it is whole. Its path begins with the bucket: `S3FileSystem` knows no other.
    place = Place(ArrowFSWrapper(system, skip_instance_cache=True), "s3://", opened, grows=False)
    return place, path.partition("://")[2]


def _parts(stream: Any) -> Iterator[bytes]:  # noqa: ANN401 - pyarrow has no types
    while part := stream.read(_WINDOW):
        yield part
