"""Which files of the repository are pages of the site: a hook of mkdocs, which knows one folder alone.

A page keeps its path, so that links between pages hold in the site as they do in the repository.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_LINK = re.compile(r"\]\(([^)#\s]+)")


def on_files(_files: Files, *, config: MkDocsConfig) -> Files:
    """Every Markdown file that git knows, and the files that they link to."""
    root = Path(config.config_file_path).parent
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S607
    known = set(filter(None, listed.split("\0")))
    pages = {name for name in known if name.endswith(".md")}
    linked = {
        (root / page).parent.joinpath(link).resolve().relative_to(root).as_posix()
        for page in pages
        for link in _LINK.findall((root / page).read_text())
        if "://" not in link and (root / page).parent.joinpath(link).resolve().is_relative_to(root)
    }
    return Files(
        [File.generated(config, name, abs_src_path=str(root / name)) for name in sorted(pages | linked & known)]
    )
