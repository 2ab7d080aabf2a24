"""`python -m klaviyo_sandbox`."""

from __future__ import annotations

from klaviyo_sandbox.cli import main

main(prog_name="klaviyo-sandbox")
