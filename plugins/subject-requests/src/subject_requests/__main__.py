"""The command, as a module."""

from __future__ import annotations

import sys

from subject_requests.cli import main

if __name__ == "__main__":
    sys.exit(main())
