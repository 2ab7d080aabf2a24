"""What is wrong in a set of definitions, said so that its author can mend it."""

from __future__ import annotations

from dataclasses import dataclass

from singer_program.errors import ProgramError

_LONGEST = 500


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One thing wrong: where it stands, what it is, what to do about it."""

    file: str
    line: int
    """Counted from 1; 0 means the file as a whole."""
    key: str
    """Path inside the YAML document, such as `slots.hero.allocation`; empty for the file as a whole."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        """One printable line, whatever the names in it are made of."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place}: {self.key}" if self.key else place
        line = f"{where}: {_cut(self.problem)}; {_cut(self.remedy)}"
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _cut(text: str) -> str:
    """A text that quotes a definition, which may hold a tag of a thousand words."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class DefinitionError(ProgramError):
    """A set of definitions has faults; none of it may be used.

    Attributes:
        faults: Every fault found, once, in the order of the files.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__(*self.faults)
