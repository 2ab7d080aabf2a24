"""The tap's own error, and which errors concern the whole run."""

from __future__ import annotations

from klaviyo_wire.errors import ConfigurationError, KlaviyoError, MissingScope, Unreachable


class StreamFault(KlaviyoError):  # noqa: N818 - named for what it is to the run: one stream cannot finish
    """This stream cannot finish; the others can."""


def concerns_all(error: KlaviyoError) -> bool:
    """Whether no stream can succeed: the key, the host or a setting is wrong."""
    return isinstance(error, ConfigurationError | Unreachable) and not isinstance(error, MissingScope)
