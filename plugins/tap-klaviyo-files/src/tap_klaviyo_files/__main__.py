"""`python -m tap_klaviyo_files` is the command `tap-klaviyo-files`."""

from __future__ import annotations

import sys

from tap_klaviyo_files.cli import main

sys.exit(main())
