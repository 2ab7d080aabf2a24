"""`python -m klaviyo_inbox` is the command `klaviyo-inbox`."""

from __future__ import annotations

import sys

from klaviyo_inbox.cli import main

sys.exit(main())
