"""Command line: `tap-klaviyo-engagement`, or `python -m tap_klaviyo_engagement`."""

from __future__ import annotations

import logging
import sys

from klaviyo_wire.errors import KlaviyoError
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement


def main() -> None:
    """Run the tap. What a person can set right is told in one line."""
    try:
        TapKlaviyoEngagement.cli()
    except KlaviyoError as error:
        TapKlaviyoEngagement.logger.log(logging.ERROR, "%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
