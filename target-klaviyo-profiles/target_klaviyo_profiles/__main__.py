"""The command: what can go wrong ends in one line on standard error and a non-zero exit."""

from __future__ import annotations

import gc
import sys

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.singerlib.exceptions import SingerError

from klaviyo_wire.errors import KlaviyoError
from klaviyo_wire.redaction import redact
from singer_program.plugin import run_plugin
from target_klaviyo_profiles.client import PACKAGE
from target_klaviyo_profiles.errors import TargetError
from target_klaviyo_profiles.target import TargetKlaviyoProfiles


def main() -> None:
    """Run the target. An error that is none of the known ones is a defect and keeps its traceback."""
    # Rows that wait for their batch keep the collector busy and hold no cycles: at its default threshold of 700
    # objects, a tenth of the time of a run would go into looking for some.
    gc.set_threshold(50_000)
    errors = (KlaviyoError, TargetError, SingerSDKError, SingerError)
    sys.exit(run_plugin(TargetKlaviyoProfiles, errors=errors, tell=_tell))


def _tell(line: str) -> None:
    sys.stderr.write(f"{PACKAGE}: {redact(line)}\n")


if __name__ == "__main__":
    main()
