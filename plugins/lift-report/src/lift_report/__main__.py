"""`python -m lift_report` is the command `lift-report`."""

from __future__ import annotations

import sys

from lift_report.cli import main

sys.exit(main())
