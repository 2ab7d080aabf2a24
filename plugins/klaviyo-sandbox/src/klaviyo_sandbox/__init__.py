"""A local Klaviyo: `Sandbox` runs it in a thread, `klaviyo-sandbox` in a terminal."""

from __future__ import annotations

from klaviyo_sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
