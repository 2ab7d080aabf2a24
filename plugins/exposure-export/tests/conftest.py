from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: to wait for the disk would take most of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
