"""Fixtures shared by every package's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

REFERENCE = Path(__file__).parent.parent / "shared"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of outside truths: Klaviyo's OpenAPI document, recorded responses, published vectors."""
    if not REFERENCE.is_dir():
        pytest.skip("the reference folder `../shared` is not beside this checkout")
    return REFERENCE
