"""The tap's own errors, and which errors concern the whole run."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

from klaviyo_wire.errors import ConfigurationError, KlaviyoError, MissingScope, Unreachable
from klaviyo_wire.redaction import redact


class StreamFault(KlaviyoError):  # noqa: N818 - named for what it is to the run: one stream cannot finish
    """This stream cannot finish; the others can."""


class MissingSetting(StreamFault):
    """The stream needs a setting that is not given; the message names it."""


class Unreadable(Exception):  # noqa: N818 - said of a row
    """A row cannot be read; the others of its page can. The message holds no value of it but its id.

    Attributes:
        id: Of the row; None where it does not tell one.
        code: The kind of fault, in a word.
        remedy: What a person can do.
        mark: Tells it from other rows without an id.
    """

    def __init__(self, message: str, *, id: str | None, code: str, remedy: str, mark: object = None) -> None:  # noqa: A002 - JSON:API's word
        super().__init__(message)
        self.id = id
        self.code = code
        self.remedy = remedy
        self.mark = mark


def concerns_all(error: KlaviyoError) -> bool:
    """Whether no stream can succeed: the key, the host or a setting is wrong."""
    return isinstance(error, ConfigurationError | Unreachable) and not isinstance(error, MissingScope)


def told(error: KlaviyoError) -> str:
    """What is told of an error: it may quote a setting, into which somebody may have put a key."""
    return redact(str(error))


def unexpected(error: Exception) -> StreamFault:
    """What is told of an error that nothing was prepared for: where, and no value, which may be somebody's."""
    if isinstance(error, MemoryError):
        return StreamFault("there is not enough memory: lower the setting `concurrency`")
    frames = extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return StreamFault(
        f"Klaviyo answered something that the tap does not expect, or the tap has a defect: {type(error).__name__}"
        f"{where}. Deselect the stream to go on without it, and report this line"
    )
