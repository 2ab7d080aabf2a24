"""Links between pages lead somewhere: to a file that git knows, and to a heading of it."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


@cache
def _known() -> frozenset[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    return frozenset(ROOT / name for name in listed.decode().split("\0") if name)


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The anchors that git hosts give to the headings of a page."""
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return frozenset(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain)


def _pages() -> list[Path]:
    return sorted(path for path in _known() if path.suffix == ".md" and path.is_file())


def _dead(page: Path, text: str) -> list[str]:
    """The links of a page, or of a text in its place, that lead nowhere."""
    dead = []
    for link in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if (target not in _known() and not target.is_dir()) or (anchor and anchor not in _anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", [path.relative_to(ROOT).as_posix() for path in _pages()])
def test_every_link_leads_somewhere(page: str) -> None:
    assert _dead(ROOT / page, (ROOT / page).read_text()) == []


def test_a_dead_link_is_found() -> None:
    text = "[a](docs/nowhere.md) [b](README.md#nothing) [c](#nothing) [d](README.md#questions) `[e](no.md)`"
    assert _dead(ROOT / "README.md", text) == ["docs/nowhere.md", "README.md#nothing", "#nothing"]


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    named = re.findall(r"^ *- (?:.*: )?(\S+\.md)$", text, re.MULTILINE)
    assert sorted(named) == [path.relative_to(ROOT).as_posix() for path in _pages()]
    assert set(re.findall(r"\]\((\w[\w-]*\.md)\)", (ROOT / "docs" / "README.md").read_text())) == {
        Path(name).name for name in named if name.startswith("docs/")
    } - {"README.md"}
