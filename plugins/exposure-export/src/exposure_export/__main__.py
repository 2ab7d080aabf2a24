"""`python -m exposure_export` is the command `exposure-export`."""

from __future__ import annotations

import sys

from exposure_export.cli import main

sys.exit(main())
