"""`python -m tap_duckdb` is the command `tap-duckdb`."""

from __future__ import annotations

import sys

from tap_duckdb.cli import main

sys.exit(main())
