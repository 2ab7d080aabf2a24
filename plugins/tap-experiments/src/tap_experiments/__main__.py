"""`python -m tap_experiments` is the command `tap-experiments`."""

from __future__ import annotations

import sys

from tap_experiments.cli import main

sys.exit(main())
