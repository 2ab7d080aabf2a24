"""All the experiments of a folder with their templates, checked against each other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from singer_program.definitions.faults import DefinitionError, Fault
from singer_program.definitions.files import UnreadableError, read, watched
from singer_program.definitions.yaml_values import Document, did_you_mean
from tap_experiments.definitions import preregistration
from tap_experiments.definitions.experiment_reader import DEFINITION, read_experiments
from tap_experiments.definitions.model import PROJECT, SNIPPETS, WHOLE, Assignment, Method, PropertyFormat, Status
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.templating.checks import check
from tap_experiments.templating.generation import flat_property
from tap_experiments.templating.lint import lint_together

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_experiments.definitions.model import Experiment, Layer, Slot
    from tap_experiments.definitions.outcome_metrics import Catalogue
    from tap_experiments.templating.generation import Template


_SETTING = "TAP_EXPERIMENTS_ACCOUNT"
"""The setting `account`, as an environment sets it."""


@dataclass(frozen=True, slots=True)
class GlobalHoldout:
    """The part of all profiles to whom no experiment sends."""

    bp: int = 0
    version: int = 1


@dataclass(frozen=True, slots=True)
class Project:
    """A sound set of definitions.

    Attributes:
        pairs: Each experiment with its template, ordered by key.
        holdout: What all experiments hold out.
        warnings: What the authors should know; each a line.
        accounts: Those that an experiment may name.
    """

    pairs: tuple[tuple[Experiment, Template], ...]
    holdout: GlobalHoldout
    warnings: tuple[str, ...]
    accounts: tuple[str, ...] = ()

    def of(self, account: str) -> Project:
        """What runs in one account: the experiments that name it, and those that name none.

        Args:
            account: Its name; empty where nothing says which account it is.

        Raises:
            DefinitionError: It is no account of the project; or an experiment names one, and nothing says which
                this is: what is meant for one account must not run in another.
        """
        if account and self.accounts and account not in self.accounts:
            problem = f"is `{account}`, which is no account of {PROJECT}"
            raise DefinitionError([Fault(_SETTING, 0, "", problem, did_you_mean(account, self.accounts))])
        named = [experiment for experiment, _ in self.pairs if experiment.accounts]
        if named and not account:
            problem = "is given, and nothing says which account this is"
            remedy = f"set {_SETTING} to its name where this runs: an environment of meltano.yml for each account"
            raise DefinitionError([experiment.fault("account", problem, remedy) for experiment in named])
        others = tuple(
            experiment.file.removesuffix(DEFINITION) for experiment in named if not experiment.runs_in(account)
        )
        return replace(
            self,
            pairs=tuple(pair for pair in self.pairs if pair[0].runs_in(account)),
            warnings=tuple(line for line in self.warnings if not line.startswith(others)),
        )


def load(
    root: Path, property_format: PropertyFormat, catalogue: Catalogue | None = None, *, locking: bool = False
) -> Project:
    """Read, check and generate everything, once, as it stands now.

    Args:
        root: Folder that holds one folder per experiment.
        property_format: How profiles hold their assignments.
        catalogue: The outcome metrics that may be named; without it, those that `read_catalogue` finds.
        locking: Let pass live experiments that have no lock, because they are about to get it.

    Raises:
        DefinitionError: With every fault of the set; then none of it may be used.
    """
    with watched("experiments") as changed:
        experiments, faults = read_experiments(root, catalogue or read_catalogue())
        holdout, accounts, project_faults = _project(root)
        checked = [check(experiment, property_format) for experiment in experiments]
        faults += project_faults
        faults += [fault for each in checked for fault in each.faults]
        for members in _side_by_side(experiments):
            faults += _shared_names(members, property_format)
            current = [experiment for experiment in members if experiment.status is not Status.ENDED]
            faults += _layers(current)
            faults += _groups(current, {experiment.key for experiment in members})
        for experiment in experiments:
            faults += _unknown_accounts(experiment, accounts)
            faults += preregistration.faults(root, experiment)
            if not locking:
                faults += preregistration.unlocked(root, experiment)
        faults += changed()
    if faults:
        raise DefinitionError(faults)
    warnings = [warning for each in checked for warning in each.warnings]
    for members in _side_by_side(experiments):
        warnings += lint_together([each for each in members if each.is_in_profiles], property_format)
    lines = [str(warning) for warning in sorted(set(warnings))]
    pairs = tuple((each.experiment, each.template) for each in checked if each.template)
    return Project(pairs, holdout, (*lines, *_unused_snippets(root, experiments)), accounts)


def _project(root: Path) -> tuple[GlobalHoldout, tuple[str, ...], list[Fault]]:
    """What `project.yml` says: what is held out, and the accounts that there are. It may be absent."""
    if not (root / PROJECT).exists():
        return GlobalHoldout(), (), []
    document = Document(f"{root}/{PROJECT}")
    try:
        text = read(root, PROJECT)
    except UnreadableError as error:
        document.fault(error.problem, error.remedy)
        return GlobalHoldout(), (), document.faults
    given = document.root(text).fields([], ["global_holdout", "accounts"])
    fields = given["global_holdout"].fields(["percent", "version"])
    percent = fields["percent"].basis_points() or 0
    if percent == WHOLE:
        fields["percent"].fault("leaves nobody to send to", "hold out less than 100")
    holdout = GlobalHoldout(percent, fields["version"].integer(1, 999_999_999))
    return holdout, tuple(each.text() for each in given["accounts"].sequence()), document.faults


def _side_by_side(experiments: list[Experiment]) -> list[list[Experiment]]:
    """The experiments that meet, account by account; those of different accounts owe each other nothing."""
    named = dict.fromkeys(account for experiment in experiments for account in experiment.accounts)
    return [[each for each in experiments if each.runs_in(account)] for account in named] or [experiments]


def _unknown_accounts(experiment: Experiment, accounts: tuple[str, ...]) -> list[Fault]:
    """Names that are no account's: misspelled, the experiment would run nowhere without a word."""
    remedy = f"list the accounts in {PROJECT}, as in `accounts: [{', '.join(experiment.accounts)}]`"
    return [
        experiment.fault(
            "account",
            f"`{account}` is no account of {PROJECT}",
            did_you_mean(account, accounts) if accounts else remedy,
        )
        for account in experiment.accounts
        if account not in accounts
    ]


def _shared_names(experiments: list[Experiment], property_format: PropertyFormat) -> list[Fault]:
    """Names that two experiments use for different things."""
    faults: list[Fault] = []
    templates: dict[str, str] = {}
    properties: dict[str, str] = {}
    for experiment in experiments:
        first = templates.setdefault(experiment.template_name, experiment.file)
        if first != experiment.file:
            problem = f"`{experiment.template_name}` is the template of {first} too"
            faults.append(experiment.fault("template.name", problem, "give each experiment its own"))
        if property_format is not PropertyFormat.FLAT:
            continue
        for slot in experiment.slots:
            name = flat_property(experiment.key, slot.key)
            first = properties.setdefault(name, experiment.file)
            if first != experiment.file:
                problem = f"is kept in the property `{name}`, as is a slot of {first}"
                faults.append(experiment.fault(f"slots.{slot.key}", problem, "rename the slot"))
    return faults


def _layers(experiments: list[Experiment]) -> list[Fault]:
    """Experiments whose parts of a layer overlap: their profiles would not be apart."""
    faults: list[Fault] = []
    members: defaultdict[str, list[tuple[Experiment, Layer]]] = defaultdict(list)
    for experiment in experiments:
        if (layer := experiment.layer) is None:
            continue
        for other, taken in members[layer.name]:
            if layer.start_bp < taken.end_bp and taken.start_bp < layer.end_bp:
                problem = f"overlaps {_percent(taken)} of `{layer.name}`, which {other.file} has"
                remedy = f"take a part of what is free: {_free(experiments, layer.name, without=experiment)}"
                faults.append(experiment.fault("layer", problem, remedy))
        members[layer.name].append((experiment, layer))
    return faults


def _percent(layer: Layer) -> str:
    return f"{layer.start_bp / 100:g} to {layer.end_bp / 100:g}"


def _free(experiments: Iterable[Experiment], name: str, *, without: Experiment) -> str:
    """The parts of a layer that the others leave."""
    taken = sorted(
        (layer.start_bp, layer.end_bp)
        for other in experiments
        if other is not without and (layer := other.layer) and layer.name == name
    )
    parts, end = [], 0
    for start, stop in [*taken, (WHOLE, WHOLE)]:
        if start > end:
            parts.append(f"{end / 100:g} to {start / 100:g}")
        end = max(end, stop)
    return ", ".join(parts) or "nothing, so use another layer"


def _groups(experiments: list[Experiment], keys: set[str]) -> list[Fault]:
    """Groups whose experiments would not give a profile the same arm."""
    faults: list[Fault] = []
    groups: defaultdict[str, list[Experiment]] = defaultdict(list)
    for experiment in experiments:
        if experiment.group is None:
            continue
        groups[experiment.group].append(experiment)
        if experiment.group in keys:
            problem = f"`{experiment.group}` is the key of an experiment, and salts would coincide"
            faults.append(experiment.fault("group", problem, "rename the group"))
        if experiment.assignment is Assignment.QUOTA:
            problem = "counts in one audience, so arms cannot be shared with another"
            faults.append(experiment.fault("assignment", problem, "use `hash` in a group"))
        if experiment.balance_tries > 1:
            problem = "fits one audience, so arms cannot be shared with another"
            faults.append(experiment.fault("balance", problem, "remove it in a group"))
        faults += [
            experiment.fault(
                f"slots.{slot.key}.allocation",
                "is decided by each experiment's own history, so arms cannot be shared",
                "give `accept` with the same shares in all experiments of the group",
            )
            for slot in experiment.slots
            if slot.method is Method.THOMPSON and None in [arm.weight_bp for arm in slot.arms]
        ]
    for members in groups.values():
        for other in members[1:]:
            faults += _disagreements(members[0], other)
    return faults


def _disagreements(first: Experiment, second: Experiment) -> list[Fault]:
    """What two experiments of a group must have in common and have not."""
    remedy = f"make it the same in all experiments of the group `{second.group}`"
    faults: list[Fault] = []

    def compare(key: str, one: object, other: object) -> None:
        if one != other:
            problem = f"is {other}, but {one} in {first.file}"
            faults.append(second.fault(key, problem, remedy))

    compare("version", first.version, second.version)
    compare("unit_hash", first.unit_hash.value, second.unit_hash.value)
    ours, theirs = ({slot.key: slot for slot in experiment.slots} for experiment in (second, first))
    compare("slots", ", ".join(sorted(theirs)), ", ".join(sorted(ours)))
    for key in ours.keys() & theirs.keys():
        compare(f"slots.{key}.arms", _arms(theirs[key]), _arms(ours[key]))
        if _arms(ours[key]) == _arms(theirs[key]):
            compare(f"slots.{key}.allocation", _weights(theirs[key]), _weights(ours[key]))
    return faults


def _arms(slot: Slot) -> str:
    """The arms in their order, which decides what each gets of the buckets."""
    return ", ".join(arm.key for arm in slot.arms)


def _weights(slot: Slot) -> str:
    weights = [arm.weight_bp for arm in slot.arms]
    return "undecided" if None in weights else ", ".join(f"{(weight or 0) / 100:g}" for weight in weights)


def _unused_snippets(root: Path, experiments: list[Experiment]) -> list[str]:
    library = root / SNIPPETS
    used = {slot.snippet for experiment in experiments for slot in experiment.slots}
    folders = sorted(library.iterdir()) if library.is_dir() else []
    return [
        f"{root}/{SNIPPETS}/{folder.name}: no experiment uses this snippet"
        for folder in folders
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in used
    ]
