"""Runs a program of this environment with the variables of `.env`, as Meltano runs its plugins."""

from __future__ import annotations

import os
import sys

from project import BIN, read_dotenv

if __name__ == "__main__":
    read_dotenv()
    os.execv(BIN / sys.argv[1], sys.argv[1:])  # noqa: S606 - the Makefile's own words
