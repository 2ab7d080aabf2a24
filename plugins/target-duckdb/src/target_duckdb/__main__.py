"""`python -m target_duckdb` is the command `target-duckdb`."""

from __future__ import annotations

import sys

from target_duckdb.cli import main

sys.exit(main())
