"""`python -m tap_forwarding` is the command `tap-forwarding`."""

from __future__ import annotations

import sys

from tap_forwarding.cli import main

sys.exit(main())
