"""Draws how the files of a Python package import each other: rooms, floors, arrows and circles.

A *room* is a file or folder directly in the package, or in the folder that is asked for. An *arrow* is an import
of one room by another, also for types only and inside a function. *Floors* are the longest chain of arrows; the
rooms of one circle count as one. A *circle* is a set of files, at any depth, that import each other.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
Graph = Mapping[str, AbstractSet[str]]
"""Name to the names that it imports; every name is a key."""


@dataclass(frozen=True, slots=True)
class Package:
    """An importable package: its folder, and what its files import of each other, by dotted name."""

    folder: Path
    files: Mapping[str, Path]
    imports: Graph

    @property
    def name(self) -> str:
        """The name that it is imported by."""
        return self.folder.name


def packages(root: Path = ROOT) -> list[Package]:
    """The packages of this repository, in the order of their names."""
    manifests = [*root.glob("*/pyproject.toml"), *root.glob("plugins/*/pyproject.toml")]
    folders = (
        init.parent
        for manifest in manifests
        for base in (manifest.parent, manifest.parent / "src")
        for init in base.glob("*/__init__.py")
        if init.parent.name not in ("tests", "benchmarks")
    )
    return [read(folder) for folder in sorted(folders, key=lambda folder: folder.name)]


def read(folder: Path) -> Package:
    """The package in `folder`, which is not run."""
    files = {_module(folder, path): path for path in sorted(folder.rglob("*.py"))}
    imports = {
        name: frozenset(_imported(name, path, files)) - {name} - _parents(name) for name, path in files.items()
    }
    return Package(folder, files, imports)


def _module(folder: Path, path: Path) -> str:
    parts = path.relative_to(folder.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _parents(name: str) -> frozenset[str]:
    """Packages above a module: Python runs them first, but they are no choice of the module."""
    parts = name.split(".")
    return frozenset(".".join(parts[:end]) for end in range(1, len(parts)))


def _imported(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """The package's own modules that a file names in an import statement."""
    base = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            above = base.split(".")[: len(base.split(".")) - (node.level - 1)] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import module` names the module; `from module import name` the module before it.
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                if inner in files or origin in files:
                    yield inner if inner in files else origin


def rooms(package: Package, inside: str = "") -> Graph:
    """The graph of what lies directly in the package, or in its subfolder `inside` (`delivery`, `http.views`)."""
    prefix = f"{package.name}.{inside}." if inside else f"{package.name}."

    def room(module: str) -> str | None:
        return module.removeprefix(prefix).split(".")[0] if module.startswith(prefix) else None

    found: dict[str, set[str]] = {}
    for module, imported in package.imports.items():
        if (own := room(module)) is not None:
            others = {other for each in imported if (other := room(each)) is not None}
            found.setdefault(own, set()).update(others - {own})
    return found


def circles(graph: Graph) -> list[list[str]]:
    """Sets of names that reach each other, each sorted, the largest first."""
    reached = {name: _reached(graph, name) for name in graph}
    found = {
        frozenset({name} | {other for other in reached[name] if name in reached[other]})
        for name in graph
        if name in reached[name]
    }
    return sorted((sorted(circle) for circle in found), key=lambda circle: (-len(circle), circle))


def _reached(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph[name])
    return found


def floors(graph: Graph) -> int:
    """How many names the longest chain of imports has; those of one circle count once."""
    merged = {name: name for name in graph} | {name: circle[0] for circle in circles(graph) for name in circle}
    flat: dict[str, set[str]] = {}
    for name, imported in graph.items():
        flat.setdefault(merged[name], set()).update({merged[other] for other in imported} - {merged[name]})
    height: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in height:
            height[name] = 1 + max((of(other) for other in flat[name]), default=0)
        return height[name]

    return max((of(name) for name in flat), default=0)


def arrows(graph: Graph) -> int:
    """How many pairs of names there are of which one imports the other."""
    return sum(len(imported) for imported in graph.values())


def first_line(path: Path) -> str:
    """What a file says of itself."""
    return (ast.get_docstring(ast.parse(path.read_bytes())) or "").partition("\n")[0]


def _counted(chosen: Iterable[Package]) -> Iterator[str]:
    yield f"{'package':28} {'files':>5} {'rooms':>5} {'floors':>6} {'arrows':>6} {'circles':>7}"
    for package in chosen:
        graph = rooms(package)
        named = f"{package.name:28} {len(package.files):5} {len(graph):5} {floors(graph):6} {arrows(graph):6}"
        yield f"{named} {len(circles(package.imports)):7}"
        for circle in circles(package.imports):
            yield f"  circle: {', '.join(circle)}"


def _told(package: Package) -> Iterator[str]:
    """Each file with its first line."""
    yield str(package.folder.relative_to(ROOT) if package.folder.is_relative_to(ROOT) else package.folder)
    for path in package.files.values():
        if line := first_line(path):
            yield f"  {path.relative_to(package.folder)!s:36} {line}"


def main() -> int:
    """Print the graph of the packages that are named, or of all; 2 if one is unknown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", help="import names, such as klaviyo_wire; default all")
    parser.add_argument("--files", action="store_true", help="each file with its first line instead")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout of this repository")
    arguments = parser.parse_args()
    known = {package.name: package for package in packages(arguments.root)}
    if unknown := [name for name in arguments.packages if name not in known]:
        parser.error(f"no package {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in arguments.packages or known]
    lines = (line for package in chosen for line in _told(package)) if arguments.files else _counted(chosen)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
