"""What the tests of the whole share: a newcomer's copy of the repository, and the pipeline that was run in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from newcomer import PIPELINE, Place, copy_of_repository, newcomer

collect_ignore = [] if os.environ.get("KLAVIYO_LOOP_TEST_STAND_IN") else ["test_stand_in_whole.py"]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with newcomer(tmp_path_factory.mktemp("place") / "Zoë's klaviyo loop") as place:
        place.install()
        yield place


@pytest.fixture(scope="session")
def piped(place: Place) -> str:
    """What the pipeline printed on the account."""
    return place.run(PIPELINE)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a git repository that holds what is here."""
    folder = tmp_path_factory.mktemp("git") / "klaviyo-loop"
    copy_of_repository(folder)
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for words in (("init",), ("add", "--all"), (*author, "commit", "--message", "All of it")):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
    return folder.as_uri()
