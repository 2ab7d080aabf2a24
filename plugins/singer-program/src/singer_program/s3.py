"""S3, and what speaks its protocol, by the library that comes with pyarrow. Needs the extra `s3`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyarrow import fs  # type: ignore[import-untyped]

from singer_program.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEME = "s3"


def s3_filesystem(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The file system of the settings `s3_…`, a `pyarrow.fs.S3FileSystem`. Its paths begin with the bucket.

    Without a key in the settings, that of the environment, a profile or the machine is used. Nothing is asked of
    the store yet.

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
    return fs.S3FileSystem(**{name: value for name, value in options.items() if value is not None})
