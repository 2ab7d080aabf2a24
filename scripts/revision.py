"""Lists what an API revision changes for this repository, as two versions of Klaviyo's SDK tell it.

Version 24.0.0 of the package klaviyo-api is revision 2026-07-15 and 25.0.0 is 2026-10-15; its changelog has the
others. Only the operations of the endpoint table are compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from klaviyo_wire.endpoints import ENDPOINTS
from tap_klaviyo_engagement.streams import STREAMS

UV = Path(sys.executable).parent / "uv"
DESCRIBE = Path(__file__).parent / "sdk_model.py"

COMMON = 10
"""A change that so many operations have is told once."""

Sdk = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Operation → section → name → what is said of it."""


class NotThere(Exception):  # noqa: N818 - named for what a person is told
    """A version of the SDK cannot be had; the text is for a person."""


@dataclass(frozen=True, order=True)
class Change:
    """Something of an operation that differs. Without `before` it was added, without `after` removed."""

    section: str
    name: str
    before: str | None
    after: str | None

    @property
    def told(self) -> str:
        """The change in words."""
        if self.before is None:
            return f"+ {self.section}: {self.name} ({self.after})"
        if self.after is None:
            return f"- {self.section}: {self.name} ({self.before})"
        how = f"{self.before} → {self.after}"
        if "," in self.before + self.after:
            before, after = (text.split(", ") for text in (self.before, self.after))
            come = [f"+{each}" for each in after if each not in before]
            how = ", ".join([*come, *(f"-{each}" for each in before if each not in after)])
        return f"~ {self.section}: {self.name}: {how}"


def changes(before: Sdk, after: Sdk, operation: str) -> list[Change]:
    """What differs of an operation that both have. Of a part that is wholly new or gone only the top is told."""
    found: list[Change] = []
    for section in sorted({*before[operation], *after[operation]}):
        old, new = (sdk[operation].get(section, {}) for sdk in (before, after))
        names = {*old, *new}
        gone, come = names - new.keys(), names - old.keys()
        found += [
            Change(section, name, old.get(name), new.get(name))
            for name in sorted(names)
            if old.get(name) != new.get(name) and not _within(name, gone) and not _within(name, come)
        ]
    return found


def _within(name: str, parts: set[str]) -> bool:
    """Whether a field lies in a part that is told as a whole."""
    above = name.split(".")
    return name in parts and any(".".join(above[:length]) in parts for length in range(1, len(above)))


def report(
    before: Sdk, after: Sdk, operations: Iterable[str], readers: Mapping[str, Iterable[str]]
) -> Iterator[str]:
    """The list that a person reviews, line by line, in a stable order.

    Args:
        before: What the one version says.
        after: What the other one says.
        operations: Ids of the operations that matter.
        readers: The streams that read an operation.
    """
    wanted = sorted(set(operations))
    found = {each: changes(before, after, each) for each in wanted if each in before and each in after}
    often = Counter(change for some in found.values() for change in some)
    common = {change for change, count in often.items() if count >= COMMON}
    for operation in wanted:
        streams = ", ".join(sorted(set(readers.get(operation, ()))))
        title = f"{operation} (read by {streams})" if streams else operation
        if operation in found:
            if own := [change.told for change in found[operation] if change not in common]:
                yield "\n  ".join([title, *own])
        elif operation in before:
            yield f"{title}\n  - the operation is gone"
        elif operation in after:
            yield f"{title}\n  + the operation is new"
        else:
            yield f"{title}\n  ? neither version has it"
    for change in sorted(common, key=lambda each: each.told):
        yield f"{often[change]} operations\n  {change.told}"
    yield f"unchanged: {', '.join(each for each in found if not found[each]) or 'none'}"


def readers() -> dict[str, list[str]]:
    """The tap's streams by the operations that they read."""
    found: dict[str, list[str]] = {}
    for stream in STREAMS:
        for key in filter(None, (stream.operation, stream.parent)):
            found.setdefault(ENDPOINTS[key].operation, []).append(stream.name)
    return found


def described(version: str, operations: Iterable[str]) -> Sdk:
    """What a version of the SDK says, asked in a temporary environment of its own.

    Raises:
        NotThere: it cannot be installed, or is made otherwise than those known.
    """
    command = [str(UV), "run", "--quiet", "--isolated", "--no-project", "--with", f"klaviyo-api=={version}"]
    asked = subprocess.run(  # noqa: S603 - our own arguments
        [*command, "python", str(DESCRIBE), *sorted(set(operations))], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        reason = "\n".join(asked.stderr.strip().splitlines()[-5:])
        msg = f"klaviyo-api {version} cannot be installed and read:\n{reason}"
        raise NotThere(msg)
    told: Sdk = json.loads(asked.stdout)
    return told


def main() -> None:
    """Command line: two versions of klaviyo-api."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", help="version of klaviyo-api, such as 24.0.0")
    parser.add_argument("after", help="version of klaviyo-api, such as 25.0.0")
    arguments = parser.parse_args()
    operations = [endpoint.operation for endpoint in ENDPOINTS.values()]
    try:
        before, after = (described(version, operations) for version in (arguments.before, arguments.after))
    except NotThere as error:
        sys.exit(str(error))
    for line in report(before, after, operations, readers()):
        print(line)


if __name__ == "__main__":
    main()
