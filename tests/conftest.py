"""What the tests of the whole share: a newcomer's copy of the repository, and the pipeline that was run in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from newcomer import PIPELINE, Place, newcomer


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with newcomer(tmp_path_factory.mktemp("place") / "klaviyo-loop") as place:
        place.install()
        yield place


@pytest.fixture(scope="session")
def piped(place: Place) -> str:
    """What the pipeline printed on the account."""
    return place.run(PIPELINE)
