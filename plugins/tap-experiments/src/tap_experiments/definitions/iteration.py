"""The next version of an experiment that was shipped: its winner becomes the control, against new arms."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tap_experiments.definitions.experiment_reader import DEFINITION
from tap_experiments.definitions.model import SNIPPETS, Method, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ruamel.yaml import YAML

    from tap_experiments.definitions.model import Experiment, Slot

OF_ITS_TIME = ("winner", "cleanup", "planned_stop", "decision", "campaign_message_ids")
"""What holds for one version only: how it ended, when it was to be decided, and which messages showed it."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """The files of a next version, not yet written.

    Attributes:
        version: Its number.
        challenger: The key of the arm that is to be written, alike in every slot.
        definition: The text of the definition file.
        contents: The texts of the challenger's files, by path; each begins as a copy of the winner's.
        taken_out: The keys of `OF_ITS_TIME` that were given.
    """

    version: int
    challenger: str
    definition: str
    contents: Mapping[Path, str]
    taken_out: tuple[str, ...]


def iteration(root: Path, experiment: Experiment) -> Iteration:
    """The version after one that has ended with a winner, as a draft.

    In each slot the winner keeps its key and becomes the control, beside one challenger whose key no earlier
    version had: a profile that still holds an arm of before is shown the control. The others leave the definition,
    and their files stay where they are. Weights begin equal, and by `thompson` where the warehouse gave them.
    Comments and order of the definition stay.

    Raises:
        ValueError: it has not ended, or has no winner.
        OSError: a file cannot be read.
    """
    if experiment.status is not Status.ENDED or not experiment.is_shipped:
        said = f"is {experiment.status}" if experiment.status is not Status.ENDED else "has ended without one"
        message = (
            f"a winner becomes the next control, and {experiment.key} {said};"
            f" set `status: ended` and `winner` in {experiment.file} first"
        )
        raise ValueError(message)
    folder = root / experiment.key
    yaml = _round_trip()
    document = yaml.load((folder / DEFINITION).read_text(encoding="utf-8-sig"))
    version = experiment.version + 1
    challenger = f"challenger_v{version}"
    while any(challenger == arm.key for slot in experiment.slots for arm in slot.arms):
        challenger += "_b"  # somebody has called an arm so by hand
    document["version"] = version
    document["status"] = Status.DRAFT.value
    taken_out = tuple(key for key in OF_ITS_TIME if key in document)
    for key in taken_out:
        del document[key]
    contents: dict[Path, str] = {}
    for slot in experiment.slots:
        _iterate(document["slots"][slot.key], slot, challenger)
        contents.update(_copies(root, folder, document["slots"][slot.key], slot, challenger))
    text = io.StringIO()
    yaml.dump(document, text)
    return Iteration(version, challenger, text.getvalue(), contents, taken_out)


def _round_trip() -> YAML:
    """Reads and writes a definition with its comments, quotes and order."""
    from ruamel.yaml import YAML  # noqa: PLC0415  takes 60 ms, which every run of the tap would pay

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _iterate(definition: Any, slot: Slot, challenger: str) -> None:  # noqa: ANN401
    arms = definition["arms"]
    for arm in slot.arms:
        if arm.key != slot.winner:
            del arms[arm.key]
    winner = arms[slot.winner]
    winner["control"] = True
    arms[challenger] = {key: value for key, value in winner.items() if key != "control"}
    if slot.method is Method.THOMPSON:
        definition["allocation"].pop("accept", None)
    else:
        definition["allocation"] = "equal"


def _copies(
    root: Path,
    folder: Path,
    definition: Any,  # noqa: ANN401
    slot: Slot,
    challenger: str,
) -> Iterator[tuple[Path, str]]:
    """The challenger's files, and their names in the definition."""
    if slot.snippet:
        for shared in sorted((root / SNIPPETS / slot.snippet).glob(f"{slot.winner}.*")):
            yield shared.with_name(f"{challenger}{shared.suffix}"), shared.read_text(encoding="utf-8-sig")
        return
    arm = definition["arms"][challenger]
    for key in ("content", "text"):
        if key in arm:
            file = PurePath(str(arm[key]))
            arm[key] = str(file.with_name(f"{slot.key}_{challenger}{file.suffix}"))
            yield folder / arm[key], (folder / file).read_text(encoding="utf-8-sig")


@contextmanager
def written(root: Path, experiment: Experiment, found: Iteration) -> Iterator[None]:
    """Writes the challenger's files, then the definition in one step; all is as it was, if what follows fails.

    Raises:
        FileExistsError: One of the challenger's files is there already; then nothing is written.
        OSError: A file cannot be written.
    """
    definition = root / experiment.key / DEFINITION
    before = definition.read_bytes()
    for path in found.contents:
        if path.exists():
            raise FileExistsError(path)
    try:
        for path, text in found.contents.items():
            path.write_text(text, encoding="utf-8")
        _replace(definition, found.definition.encode())
        yield
    except BaseException:
        _replace(definition, before)
        for path in found.contents:
            path.unlink(missing_ok=True)
        raise


def _replace(file: Path, text: bytes) -> None:
    aside = file.with_name(f".{file.name}.next")
    aside.write_bytes(text)
    aside.replace(file)
