"""Reads `experiments/<key>/experiment.yml` and the content files beside it into validated definitions.

A set of definitions is either whole and sound or refused with every fault found in it: half an experiment must
never reach the warehouse, and an author should need one run to learn all that is wrong.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import yaml

from tap_experiments import template_tags
from tap_experiments.faults import Fault
from tap_experiments.links import PARAMETER
from tap_experiments.wrapper import DELIMITERS, Layout, lay_out
from tap_experiments.yaml_values import Document, Value, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = 10_000
"""Basis points of an audience, and of a slot's split."""

MAX_FILE_BYTES = 1_000_000
"""Far above what a mail client shows (Gmail cuts at about 102 KB), far below Klaviyo's 5 MB for a request."""

HASH_MARK = "<!-- lf:"
"""Begins the comment by which a generated template is recognised."""

FALLBACK = "fb"
"""What `lf_cid` says in the branch of a profile without an assignment; so no arm may be called that."""

_RESERVED = {
    PARAMETER: "remove it: the template generated from this file carries it in every link",
    HASH_MARK: "remove it: the template generated from this file ends with it",
}

_REQUIRED = (
    "key", "version", "status", "description", "channel", "audience", "primary_metric", "attribution_window_days",
    "slots", "template",
)  # fmt: skip
_OPTIONAL = ("traffic", "campaign_message_ids")


class PropertyFormat(StrEnum):
    """How a profile holds its assignments; one choice for all experiments."""

    LIST = "list"
    """`lf_assignments`: a list of `experiment:slot:arm`."""
    OBJECT = "object"
    """`lf_assignments`: an object of `experiment.slot` to arm."""
    FLAT = "flat"
    """One property `lf_<experiment>_<slot>` each."""


class Status(StrEnum):
    """Life of an experiment."""

    DRAFT = "draft"
    LIVE = "live"
    ENDED = "ended"


class Channel(StrEnum):
    """What an experiment is sent through."""

    EMAIL = "email"


class AudienceType(StrEnum):
    """What kind of Klaviyo group an audience is."""

    LIST = "list"
    SEGMENT = "segment"


class Metric(StrEnum):
    """What may decide an experiment."""

    OPENED = "opened"
    CLICKED = "clicked"
    ORDERED = "ordered"
    REVENUE = "revenue"


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, decoded, without byte order mark, every line break a line feed."""

    file: str
    """The file's name in messages."""
    text: str

    def line(self, offset: int) -> int:
        """Line of an offset, from 1."""
        return self.text.count("\n", 0, offset) + 1


@dataclass(frozen=True, slots=True)
class Arm:
    """One content of a slot."""

    key: str
    is_control: bool
    weight_bp: int
    content: Source
    text: Source | None
    """The same content for the template's text part."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the template that is filled by one of several arms; their weights sum to `WHOLE`."""

    key: str
    arms: tuple[Arm, ...]

    @property
    def control(self) -> Arm:
        """What would have been sent without the experiment."""
        return next(arm for arm in self.arms if arm.is_control)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One validated definition."""

    key: str
    version: int
    status: Status
    description: str
    channel: Channel
    audience_type: AudienceType
    audience: str
    traffic_bp: int
    primary_metric: Metric
    attribution_window_days: int
    campaign_message_ids: tuple[str, ...]
    slots: tuple[Slot, ...]
    template_name: str
    html: Layout
    text: Layout | None
    file: str
    """The definition file's name in messages."""
    sha256: str
    """Of the definition file and every file it names."""


def sha256(text: str) -> str:
    """Hex digest of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def equal_split(arms: int) -> list[int]:
    """Weights in basis points that differ by at most one and sum to `WHOLE`; the first arms take the remainder."""
    share, remainder = divmod(WHOLE, arms)
    return [share + (index < remainder) for index in range(arms)]


def read_experiments(root: Path) -> tuple[list[Experiment], list[Fault]]:
    """The sound experiments of a folder, ordered by key, and every fault of the others.

    Folders whose name begins with `.` or `_` are left out.
    """
    experiments: list[Experiment] = []
    faults: list[Fault] = []
    try:
        entries = sorted(root.iterdir())
    except OSError as error:
        remedy = "give the setting `path` the folder that holds one folder per experiment"
        return [], [Fault(str(root), 0, "", f"cannot be read: {error.strerror}", remedy)]
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            reader = _Reader(root, entry)
            experiment = reader.experiment()
            faults += reader.faults
            if not reader.faults:
                experiments.append(experiment)
        elif entry.suffix in {".yml", ".yaml"}:
            faults.append(Fault(str(entry), 0, "", "is not read", "move it to <key>/experiment.yml"))
    return experiments, faults


class _UnreadableError(Exception):
    """A file cannot be used: what is wrong with it, what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


def _read(folder: Path, name: str) -> str:
    """The text of a file inside a folder.

    Raises:
        _UnreadableError: If there is no such file in it, or it is not a text of sensible size.
    """
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            problem = f"`{name}` lies outside the experiment's folder"
            raise _UnreadableError(problem, "keep all an experiment shows in its own folder, without symlinks")
        if not path.is_file():
            problem = f"`{name}` is not a file of this folder"
            raise _UnreadableError(problem, _similar_file(folder, name))
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of symlinks, a NUL in the name
        problem = f"`{name}` cannot be read: {getattr(error, 'strerror', None) or error}"
        raise _UnreadableError(problem, "name a readable file") from error
    if len(data) > MAX_FILE_BYTES:
        problem = f"`{name}` is larger than {MAX_FILE_BYTES:,} bytes"
        raise _UnreadableError(problem, "shorten it: mail clients cut messages far earlier")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"`{name}` is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}"
        raise _UnreadableError(problem, "save it as UTF-8") from error
    if "\0" in text:
        problem = f"`{name}` holds a NUL character"
        raise _UnreadableError(problem, "remove it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _similar_file(folder: Path, name: str) -> str:
    files = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return did_you_mean(name, files) if files else "add it"


class _Reader:
    """Reads one experiment's folder; `faults` tells whether the result may be used."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"{root}/{folder.name}"
        self._document = Document(f"{self._prefix}/experiment.yml")
        self._texts: dict[str, str] = {}
        if not folder.resolve().is_relative_to(root.resolve()):
            self._document.fault("is a symlink out of the experiments' folder", "move the experiment into it")

    @property
    def faults(self) -> list[Fault]:
        return self._document.faults

    def experiment(self) -> Experiment:
        fields = self._root().fields(_REQUIRED, _OPTIONAL)
        key = fields["key"].key()
        if key and key != self._folder.name:
            fields["key"].fault(f"is `{key}` in the folder `{self._folder.name}`", "give both the same name")
        audience_type, audience = self._audience(fields["audience"])
        template = fields["template"].fields(["name", "html"], ["text"])
        template_name = template["name"].text()
        if template_name != template_name.strip():
            template["name"].fault("begins or ends with a space", "remove it: templates are looked up by name")
        slots = self._slots(fields["slots"], has_text_part=template["text"].given)
        keys = [slot.key for slot in slots]
        with_text = [slot.key for slot in slots if any(arm.text for arm in slot.arms)]
        html = self._layout(template["html"], keys, keys)
        text = self._layout(template["text"], keys, with_text) if template["text"].given else None
        traffic = fields["traffic"].basis_points() if fields["traffic"].given else WHOLE
        return Experiment(
            key=key,
            version=fields["version"].integer(1, 999_999_999),
            status=fields["status"].choice(Status),
            description=fields["description"].text(),
            channel=fields["channel"].choice(Channel),
            audience_type=audience_type,
            audience=audience,
            traffic_bp=traffic or 0,
            primary_metric=fields["primary_metric"].choice(Metric),
            attribution_window_days=fields["attribution_window_days"].integer(1, 365),
            campaign_message_ids=tuple(value.text() for value in fields["campaign_message_ids"].sequence()),
            slots=slots,
            template_name=template_name,
            html=html,
            text=text,
            file=self._document.file,
            sha256=sha256(json.dumps(sorted(self._texts.items()))),
        )

    def _root(self) -> Value:
        try:
            text = _read(self._folder, "experiment.yml")
        except _UnreadableError as error:
            self._document.fault(error.problem, error.remedy)
            return Value(self._document, "", None, 0)
        self._texts["experiment.yml"] = text
        return self._document.root(text)

    def _audience(self, value: Value) -> tuple[AudienceType, str]:
        kinds = value.fields([], [kind.value for kind in AudienceType])
        given = [kind for kind in AudienceType if kinds[kind].given]
        if value.given and len(given) != 1:
            value.fault("names no single group", "write `{segment: name or id}` or `{list: name or id}`")
        kind = given[0] if given else AudienceType.LIST
        return kind, kinds[kind].text()

    def _slots(self, value: Value, *, has_text_part: bool) -> tuple[Slot, ...]:
        entries = value.entries(keys_are_names=True)
        if isinstance(value.node, yaml.MappingNode) and not entries:
            value.fault("holds no slot", "add one, with at least two arms")
        return tuple(self._slot(key, slot, has_text_part=has_text_part) for key, slot in entries.items())

    def _slot(self, key: str, value: Value, *, has_text_part: bool) -> Slot:
        fields = value.fields(["arms", "split"])
        entries = fields["arms"].entries(keys_are_names=True)
        weights = self._weights(fields["split"], list(entries))
        arms: list[Arm] = []
        texts: list[Value] = []
        for arm_key, entry in entries.items():
            if arm_key == FALLBACK:
                entry.fault(f"`{FALLBACK}` is what links say when no arm is known", "choose another name")
            arm = entry.fields(["content"], ["text", "control"])
            texts.append(arm["text"])
            content = self._content(arm["content"])
            text = self._content(arm["text"]) if arm["text"].given else None
            is_control = arm["control"].boolean()
            arms.append(Arm(arm_key, is_control, weights.get(arm_key, 0), content, text))
        if fields["arms"].given and len(arms) < 2:  # noqa: PLR2004
            fields["arms"].fault("has fewer than two arms", "add another: one arm compares with nothing")
        controls = [arm.key for arm in arms if arm.is_control]
        if arms and len(controls) != 1:
            found = f"has {len(controls)} controls ({', '.join(controls)})" if controls else "has no control"
            fields["arms"].fault(found, "mark the one arm you would send without a test with `control: true`")
        if any(text.given for text in texts):
            for text_value in texts:
                if not text_value.given:
                    text_value.fault("is missing", "give every arm of the slot a text, or none")
                elif not has_text_part:
                    text_value.fault("has no place", "add `template.text` and place the slot in it")
        return Slot(key, tuple(arms))

    def _weights(self, split: Value, arms: list[str]) -> dict[str, int]:
        if split.is_word("equal"):
            return dict(zip(arms, equal_split(len(arms)), strict=True)) if arms else {}
        if split.given and not isinstance(split.node, yaml.MappingNode):
            split.fault("is neither `equal` nor a share per arm", "write `equal` or `{control: 70, bold: 30}`")
            return {}
        shares = split.entries()
        weights: dict[str, int] = {}
        for key, share in shares.items():
            if key not in arms:
                share.fault("is no arm of this slot", did_you_mean(key, arms))
                continue
            weight = share.basis_points()
            if weight == 0:
                share.fault("is zero", "give the arm a share, or remove the arm")
            weights[key] = weight or 0
        if split.given:
            for key in arms:
                if key not in shares:
                    split.fault(f"gives the arm `{key}` no share", "add it, in per cent")
        if all(weights.get(key) for key in arms) and arms and sum(weights.values()) != WHOLE:
            split.fault(f"sums to {sum(weights.values()) / 100:g}, not to 100", "change the shares")
        return weights

    def _source(self, value: Value) -> Source:
        """A file the definition names, not blank; an empty one after a fault."""
        name = value.text()
        file = f"{self._prefix}/{name}"
        if not name.strip():
            return Source(file, "")
        try:
            text = _read(self._folder, name)
        except _UnreadableError as error:
            value.fault(error.problem, error.remedy)
            return Source(file, "")
        self._texts[name] = text
        source = Source(file, text)
        if not text.strip():
            self._fault(source, value, 0, "is blank", "write what shall be shown: a blank arm flatters the others")
        for mark, remedy in _RESERVED.items():
            if mark in text.lower():
                self._fault(source, value, text.lower().index(mark), f"holds `{mark}`", remedy)
        if problem := template_tags.problem(text):
            self._fault(source, value, *problem)
        return source

    def _content(self, value: Value) -> Source:
        """A file that fills a slot."""
        source = self._source(value)
        for mark in DELIMITERS:
            if mark in source.text:
                problem = f"holds `{mark}`, which is read in the template only and would be sent as it stands"
                self._fault(source, value, source.text.index(mark), problem, "remove it")
        return source

    def _layout(self, value: Value, slots: list[str], filled: list[str]) -> Layout:
        """The template's HTML or text, taken apart at its slots: those that are `filled`, and no others."""
        source = self._source(value)
        if not source.text:
            return Layout(("",), ())
        if value.path == "template.html" and not any(
            tag.name in {"unsubscribe", "unsubscribe_link"} for tag in template_tags.active(source.text)
        ):
            self._fault(source, value, 0, "holds no `{% unsubscribe %}`", "add it: marketing mail needs the link")
        layout, problems = lay_out(source.text, slots, filled)
        for key in layout.slots:
            if key not in filled:
                problem = f"places the slot `{key}`, whose arms have no text"
                problems.append((0, problem, "give each of them a `text` file"))
        self.faults.extend(Fault(source.file, line, value.path, *problem) for line, *problem in problems)
        return layout

    def _fault(self, source: Source, value: Value, offset: int, problem: str, remedy: str) -> None:
        """A fault of a file the definition names."""
        self.faults.append(Fault(source.file, source.line(offset), value.path, problem, remedy))
