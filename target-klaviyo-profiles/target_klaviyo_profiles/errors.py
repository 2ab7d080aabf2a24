"""How a run can fail, apart from what Klaviyo says (`klaviyo_wire.errors`).

Every message is one line that names the setting, stream or file to look at, and holds nothing personal.
"""

from __future__ import annotations

from klaviyo_wire.errors import ConfigurationError

__all__ = ["ConfigurationError", "OutputError", "RunFailed", "TargetError"]


class TargetError(Exception):
    """Root of this package's own failures."""


class OutputError(TargetError):
    """A file could not be written: a full disk, a missing folder, a permission."""


class RunFailed(TargetError):  # noqa: N818 - it says what happened
    """Everything was done that could be, and the outcome is not what the settings accept."""
