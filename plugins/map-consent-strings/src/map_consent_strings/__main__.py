"""`python -m map_consent_strings` is the command `map-consent-strings`."""

from __future__ import annotations

import sys

from map_consent_strings.cli import main

sys.exit(main())
