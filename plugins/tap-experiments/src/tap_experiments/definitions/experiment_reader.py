"""Reads `experiments/<key>/experiment.yml` and the content files beside it into validated definitions.

A set of definitions is either whole and sound or refused with every fault found in it: half an experiment must
never reach the warehouse, and an author should need one run to learn all that is wrong.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import yaml

from singer_program.definitions.faults import Fault
from singer_program.definitions.files import Source, UnreadableError, read, sha256
from singer_program.definitions.keys import read_mapping
from singer_program.definitions.yaml_values import KEY, Document, Value, did_you_mean
from tap_experiments.definitions import schema
from tap_experiments.definitions.allocation import read_allocation, refuse_former_key
from tap_experiments.definitions.audience import read_audience
from tap_experiments.definitions.dimensions import read_dimensions
from tap_experiments.definitions.model import (
    FALLBACK,
    HASH_MARK,
    PROJECT,
    SNIPPETS,
    WHOLE,
    Arm,
    Assignment,
    Channel,
    Decision,
    Experiment,
    Layer,
    Slot,
    Status,
    UnitHash,
)
from tap_experiments.definitions.outcome_metrics import MAX_WINDOW_DAYS
from tap_experiments.language import limits, links, template_tags
from tap_experiments.language.engine import Compiled, RenderError
from tap_experiments.language.links import PARAMETER
from tap_experiments.language.sample_profiles import SAMPLE_PROFILES
from tap_experiments.language.wrapper import DELIMITERS, Layout, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum
    from pathlib import Path
    from typing import TypeVar

    from tap_experiments.definitions.outcome_metrics import Catalogue

    E = TypeVar("E", bound=StrEnum)

DEFINITION = "experiment.yml"
MAX_SUBJECT = 255

_RESERVED = {
    PARAMETER: "remove it: the template generated from this file carries it in every link",
    HASH_MARK: "remove it: the template generated from this file ends with it",
}


def read_experiments(root: Path, catalogue: Catalogue) -> tuple[list[Experiment], list[Fault]]:
    """The sound experiments of a folder, ordered by key, and every fault of the others.

    Folders whose name begins with `.` or `_` are left out. Outcome metrics are those of the catalogue.
    """
    experiments: list[Experiment] = []
    faults: list[Fault] = []
    try:
        entries = sorted(root.iterdir())
    except OSError as error:
        remedy = "give the setting `path` the folder that holds one folder per experiment"
        return [], [Fault(str(root), 0, "", f"cannot be read: {error.strerror}", remedy)]
    for entry in entries:
        if entry.name.startswith((".", "_")) or entry.name == PROJECT:
            continue
        if entry.is_dir():
            reader = _Reader(root, entry, catalogue)
            try:
                with limits.processor_time():
                    experiment = reader.experiment()
            except limits.TooSlowError:
                faults += [*reader.faults, Fault(reader.place, 0, "", limits.TOO_SLOW, limits.REMEDY)]
                continue
            faults += reader.faults
            if not reader.faults:
                experiments.append(experiment)
        elif entry.suffix in {".yml", ".yaml"}:
            remedy = f"call it {PROJECT}" if entry.stem == "project" else f"move it to <key>/{DEFINITION}"
            faults.append(Fault(str(entry), 0, "", "is not read", remedy))
    return experiments, faults


class _Reader:
    """Reads one experiment's folder; `faults` tells whether the result may be used."""

    def __init__(self, root: Path, folder: Path, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._root_folder = root
        self._folder = folder
        self._prefix = f"{root}/{folder.name}"
        self._document = Document(f"{self._prefix}/{DEFINITION}")
        self._texts: dict[str, str] = {}
        self._is_snippet_missing = False
        self._reading = ""
        if not folder.resolve().is_relative_to(root.resolve()):
            self._document.fault("is a symlink out of the experiments' folder", "move the experiment into it")

    @property
    def place(self) -> str:
        """What is being read, as messages name it."""
        return self._reading or self._document.file

    @property
    def faults(self) -> list[Fault]:
        return self._document.faults

    def experiment(self) -> Experiment:
        fields = read_mapping(self._root(), schema.root(self._catalogue))
        key = fields["key"].key()
        if key and key != self._folder.name:
            fields["key"].fault(f"is `{key}` in the folder `{self._folder.name}`", "give both the same name")
        channel = fields["channel"].choice(Channel)
        audience_type, audience, conditions = read_audience(fields["audience"])
        template = read_mapping(fields["template"], schema.TEMPLATE)
        if isinstance(fields["template"].node, yaml.MappingNode):
            self._check_channel_parts(fields["channel"], template)
        slots = self._slots(fields["slots"], channel, has_text_part=template["text"].given)
        slots, is_cleaned_up = self._winners(fields, slots)
        keys = [slot.key for slot in slots if not slot.subject_only]
        with_text = [slot.key for slot in slots if any(arm.text for arm in slot.arms)]
        html = self._layout(template["html"], keys, keys) if channel is Channel.EMAIL else None
        filled = with_text if channel is Channel.EMAIL else keys
        has_text = (
            template["text"].given and not self._is_snippet_missing
        )  # else nobody knows which slots have one
        text = self._layout(template["text"], keys, filled) if has_text else None
        subject = self._subject(template["subject"], slots) if channel is Channel.EMAIL else None
        windows: dict[str, int] = {}
        primary, secondary = self._metrics(fields["primary_metric"], fields["secondary_metrics"], channel, windows)
        guardrails = self._guardrails(fields["guardrails"], windows)
        effect = fields["minimum_detectable_effect"].basis_points(schema.MAX_EFFECT)
        if effect == 0:
            fields["minimum_detectable_effect"].fault("is zero", "give the smallest effect worth finding")
        tries, days = self._balance(fields["balance"])
        planned_stop, decision = fields["planned_stop"].day(), _choice(fields["decision"], Decision.ALWAYS)
        if decision is Decision.FIXED and not fields["planned_stop"].given:
            fields["decision"].fault("is `fixed` without a day", "give `planned_stop`, the day of the one test")
        return Experiment(
            key=key,
            version=fields["version"].integer(1, schema.MAX_VERSION),
            status=fields["status"].choice(Status),
            description=fields["description"].text(),
            accounts=_accounts(fields["account"]),
            channel=channel,
            audience_type=audience_type,
            audience=audience,
            conditions=conditions,
            traffic_bp=_basis_points(fields["traffic"], WHOLE),
            layer=self._layer(fields["layer"]),
            holdout_bp=self._holdout(fields["holdout"]),
            group=fields["group"].key() or None,
            unit_hash=_choice(fields["unit_hash"], UnitHash.MD5),
            assignment=_choice(fields["assignment"], Assignment.HASH),
            balance_tries=tries,
            balance_days=days,
            primary_metric=primary,
            secondary_metrics=secondary,
            guardrails=guardrails,
            metric_windows=self._windows((primary, *secondary, *guardrails), windows),
            planned_stop=planned_stop,
            decision=decision,
            minimum_detectable_effect=effect / WHOLE if effect else None,
            dimensions=read_dimensions(fields["dimensions"]),
            attribution_window_days=fields["attribution_window_days"].integer(1, 365),
            campaign_message_ids=tuple(value.text() for value in fields["campaign_message_ids"].sequence()),
            slots=slots,
            template_name=self._template_name(template["name"]),
            html=html,
            text=text,
            subject=subject,
            is_cleaned_up=is_cleaned_up,
            file=self._document.file,
            lines=self._document.lines,
            sha256=sha256(json.dumps(sorted(self._texts.items()))),
        )

    def _root(self) -> Value:
        try:
            text = read(self._folder, DEFINITION)
        except UnreadableError as error:
            self._document.fault(error.problem, error.remedy)
            return Value(self._document, "", None, 0)
        self._texts[DEFINITION] = text
        return self._document.root(text)

    def _check_channel_parts(self, channel: Value, template: dict[str, Value]) -> None:
        """Report parts of the template that the channel needs and lacks, or does not have."""
        if channel.is_word(Channel.EMAIL):
            if not template["html"].given:
                template["html"].fault("is missing", "add it: an e-mail shows HTML")
        elif any(channel.is_word(word) for word in Channel):
            if not template["text"].given:
                template["text"].fault("is missing", "add it: the channel knows only text")
            for part in ("html", "subject"):
                if template[part].given:
                    template[part].fault("has no place", "remove it: the channel knows only text")

    def _subject(self, value: Value, slots: tuple[Slot, ...]) -> Layout | None:
        """The subject line, taken apart at the slots whose arms have a subject; none if there is none."""
        filled = [slot.key for slot in slots if any(arm.subject for arm in slot.arms)]
        if not value.given:
            if filled:
                remedy = f"add `subject: '[[ slot(\"{filled[0]}\") ]]'`, or remove the arms' subjects"
                value.fault("is missing", remedy)
            return None
        source = self._inline_text(value)
        layout, problems = lay_out(source.text, [slot.key for slot in slots], filled)
        for key in layout.slots:
            if key not in filled:
                problems.append(
                    (0, f"places the slot `{key}`, whose arms have no subject", "give each a `subject`")
                )
        for _, problem, remedy in problems:
            value.fault(problem, remedy)
        return replace(layout, source=source)

    def _inline_text(self, value: Value) -> Source:
        """A line that stands in the definition itself, checked like a content file."""
        text = value.text()
        if len(text) > MAX_SUBJECT or len(text.splitlines()) > 1:
            value.fault(f"is not one line of at most {MAX_SUBJECT} characters", "shorten it")
        if found := template_tags.problem(text):
            value.fault(*found[1:])
        return Source(self._document.file, text, value.line)

    def _subjects(self, arms: dict[str, dict[str, Value]], channel: Channel) -> dict[str, Source]:
        """What each arm puts into the subject line; nothing if none does."""
        subjects: dict[str, Source] = {}
        if any(arm["subject"].given for arm in arms.values()):
            for key, arm in arms.items():
                value = arm["subject"]
                if not value.given:
                    value.fault("is missing", "give every arm of the slot a subject, or none")
                elif channel is not Channel.EMAIL:
                    value.fault("has no place", "remove it: the channel has no subject line")
                else:
                    subjects[key] = self._inline_text(value)
                    for mark in DELIMITERS:
                        if mark in subjects[key].text:
                            problem = f"holds `{mark}`, which would be sent as it stands"
                            value.fault(problem, "remove it: slots are placed in `template.subject`")
        return subjects

    def _template_name(self, value: Value) -> str:
        name = value.text()
        if name != name.strip():
            value.fault("begins or ends with a space", "remove it: templates are looked up by name")
        return name

    def _layer(self, value: Value) -> Layer | None:
        if not value.given:
            return None
        fields = read_mapping(value, schema.LAYER)
        start, end = fields["from"].basis_points(), fields["to"].basis_points()
        if start is not None and end is not None and start >= end:
            fields["to"].fault("is not above `from`", "give the experiment a part of the layer")
        return Layer(fields["name"].key(), start or 0, end or 0)

    def _holdout(self, value: Value) -> int:
        held = _basis_points(value, 0)
        if held == WHOLE:
            value.fault("leaves nobody to send to", "hold out less than 100")
        return held

    def _balance(self, value: Value) -> tuple[int, int]:
        """How many salts are tried, and on how many days; one and none without `balance`."""
        if not value.given:
            return 1, 0
        fields = read_mapping(value, schema.BALANCE)
        days = fields["days"]
        return (
            fields["tries"].integer(2, schema.MAX_TRIES),
            days.integer(1, 365) if days.given else schema.DEFAULT_BALANCE_DAYS,
        )

    def _metrics(
        self, first: Value, others: Value, channel: Channel, windows: dict[str, int]
    ) -> tuple[str, tuple[str, ...]]:
        """The primary metric and the secondary ones; windows that are given with them are added to `windows`."""
        primary = self._metric(first, self._catalogue.primary, windows)
        values = [(first, primary)]
        values += [(value, self._metric(value, self._catalogue.names, windows)) for value in others.sequence()]
        seen: set[str] = set()
        for value, metric in values:
            if metric and metric in seen:
                value.fault(f"names `{metric}` again", "remove it: each metric is reported once")
            channels = self._catalogue.metrics[metric].channels if metric else None
            if channels is not None and channel not in channels:
                value.fault(f"is not measured for `{channel}`", "choose another: nobody reports it there")
            seen.add(metric)
        return primary, tuple(metric for _, metric in values[1:])

    def _metric(self, value: Value, names: list[str], windows: dict[str, int]) -> str:
        """A name of the catalogue, alone or with a window of its own; nothing after a fault."""
        name, window = value, None
        if value.is_mapping:
            fields = read_mapping(value, schema.metric(names))
            name, window = fields["metric"], fields[schema.WINDOW.name]
        metric = name.one_of(names, lambda word: self._catalogue.remedy(word, names))
        if metric and window:
            self._window(window, metric, windows)
        return metric

    def _guardrails(self, value: Value, windows: dict[str, int]) -> dict[str, float]:
        """Margins by outcome metric; the windows that are given with them are added to `windows`."""
        if not value.given:
            return self._catalogue.default_guardrails
        margins: dict[str, float] = {}
        for metric, guarded in read_mapping(value, schema.guardrails(self._catalogue)).items():
            margin = guarded
            if guarded.is_mapping:
                fields = read_mapping(guarded, schema.GUARDRAIL)
                margin = fields[schema.MARGIN.name]
                self._window(fields[schema.WINDOW.name], metric, windows)
            if guarded.given and metric in self._catalogue.metrics:
                margins[metric] = (margin.basis_points() or 0) / 100
        return margins

    def _window(self, value: Value, metric: str, windows: dict[str, int]) -> None:
        """The days that an outcome metric counts in this experiment; one metric has one window."""
        if not value.given or metric not in self._catalogue.metrics:
            return
        if not self._catalogue.metrics[metric].may_have_window:
            remedy = f"remove it, or name a metric that {self._catalogue.file} counts by days after the receipt"
            value.fault(f"`{metric}` is not counted by days", remedy)
            return
        days = value.integer(1, MAX_WINDOW_DAYS)
        if windows.setdefault(metric, days) != days:
            value.fault(f"is {days}, but `{metric}` counts for {windows[metric]} days above", "give it one window")

    def _windows(self, named: Iterable[str], windows: Mapping[str, int]) -> dict[str, int]:
        """The days of what is named and has a window of its own, from here or from the catalogue."""
        found = {
            metric: windows.get(metric, self._catalogue.metrics[metric].window_days)
            for metric in dict.fromkeys(named)
            if metric
        }
        return {metric: days for metric, days in found.items() if days is not None}

    def _slots(self, value: Value, channel: Channel, *, has_text_part: bool) -> tuple[Slot, ...]:
        entries = value.entries(keys_are_names=True)
        if isinstance(value.node, yaml.MappingNode) and not entries:
            value.fault("holds no slot", "add one, with at least two arms")
        return tuple(self._slot(key, slot, channel, has_text_part=has_text_part) for key, slot in entries.items())

    def _slot(self, key: str, value: Value, channel: Channel, *, has_text_part: bool) -> Slot:
        fields = read_mapping(value, schema.SLOT, {"split": "allocation"})
        if fields["split"].given:
            refuse_former_key(fields["split"])
        entries = fields["arms"].entries(keys_are_names=True)
        for arm_key, entry in entries.items():
            if arm_key == FALLBACK:
                entry.fault(f"`{FALLBACK}` is what links say when no arm is known", "choose another name")
        allocation = read_allocation(fields["allocation"], list(entries))
        arm_fields = {arm_key: read_mapping(entry, schema.ARM) for arm_key, entry in entries.items()}
        subjects = self._subjects(arm_fields, channel)
        subject_only = bool(subjects) and not (
            fields["snippet"].given
            or any(arm[part].given for arm in arm_fields.values() for part in ("content", "text"))
        )
        contents: dict[str, tuple[Source, Source | None]]
        if subject_only:
            contents = {arm_key: (subjects.get(arm_key, Source("", "")), None) for arm_key in arm_fields}
        elif fields["snippet"].given:
            contents = self._snippet(fields["snippet"], entries, arm_fields, channel, has_text_part=has_text_part)
        else:
            contents = self._files(entries, arm_fields, channel, has_text_part=has_text_part)
        arms = tuple(
            Arm(
                arm_key,
                arm["control"].boolean(),
                allocation.weights.get(arm_key),
                *contents[arm_key],
                subjects.get(arm_key),
            )
            for arm_key, arm in arm_fields.items()
        )
        if fields["arms"].given and len(arms) < 2:  # noqa: PLR2004
            fields["arms"].fault("has fewer than two arms", "add another: one arm compares with nothing")
        controls = [arm.key for arm in arms if arm.is_control]
        if arms and len(controls) != 1:
            found = f"has {len(controls)} controls ({', '.join(controls)})" if controls else "has no control"
            fields["arms"].fault(found, "mark the one arm you would send without a test with `control: true`")
        snippet = fields["snippet"].key() or None
        return Slot(key, arms, allocation.method, allocation.thompson, snippet, subject_only)

    def _winners(self, fields: dict[str, Value], slots: tuple[Slot, ...]) -> tuple[tuple[Slot, ...], bool]:
        """The slots, each with its winner if the definition names any, and whether profiles are cleaned up."""
        winner, cleanup = fields["winner"], fields["cleanup"]
        if not winner.given:
            if cleanup.given:
                remedy = "remove it: without a winner, profiles hold assignments while the experiment is live only"
                cleanup.fault("has no place without `winner`", remedy)
            return slots, False
        for status in (Status.DRAFT, Status.LIVE):
            if fields["status"].is_word(status):
                winner.fault(f"is named in an experiment that is {status}", "set `status: ended`, or remove it")
        if not slots:
            return slots, False
        return tuple(self._decided(slots, winner)), cleanup.boolean()

    def _decided(self, slots: tuple[Slot, ...], winner: Value) -> Iterable[Slot]:
        """Each slot with its winner; without one after a fault."""
        if not winner.is_mapping:
            if len(slots) > 1:
                example = ", ".join(f"{slot.key}: {slot.arms[0].key}" for slot in slots if slot.arms)
                winner.fault(f"is one arm for {len(slots)} slots", f"name one for each, as in {{{example}}}")
            named = {slots[0].key: winner}
        else:
            named = winner.entries(keys_are_names=True)
        keys = [slot.key for slot in slots]
        for key, value in named.items():
            if key not in keys:
                value.fault("is no slot of this experiment", did_you_mean(key, keys))
        for slot in slots:
            if slot.key in named:
                yield replace(slot, winner=self._arm_of(slot, named[slot.key]))
            else:
                if winner.is_mapping:
                    winner.fault(f"names no arm of the slot `{slot.key}`", f"add one of {_listed(slot)}")
                yield slot

    def _arm_of(self, slot: Slot, value: Value) -> str:
        """The name of an arm of a slot; nothing after a fault."""
        name = value.text()
        if name.strip() and name not in [arm.key for arm in slot.arms]:
            value.fault(f"`{name}` is no arm of the slot `{slot.key}`", f"use one of {_listed(slot)}")
        return name

    def _files(
        self,
        entries: dict[str, Value],
        arms: dict[str, dict[str, Value]],
        channel: Channel,
        *,
        has_text_part: bool,
    ) -> dict[str, tuple[Source, Source | None]]:
        """Content and text of arms that name their files."""
        contents: dict[str, tuple[Source, Source | None]] = {}
        with_text = channel is Channel.EMAIL and any(arm["text"].given for arm in arms.values())
        for key, arm in arms.items():
            if isinstance(entries[key].node, yaml.MappingNode) and not arm["content"].given:
                arm["content"].fault("is missing", "add it, or bind the slot to a `snippet`")
            content = self._content(arm["content"])
            text = self._content(arm["text"]) if arm["text"].given else None
            contents[key] = (content, text if channel is Channel.EMAIL else None)
            if with_text and not arm["text"].given:
                arm["text"].fault("is missing", "give every arm of the slot a text, or none")
            elif with_text and not has_text_part:
                arm["text"].fault("has no place", "add `template.text` and place the slot in it")
            elif arm["text"].given and channel is not Channel.EMAIL:
                arm["text"].fault("has no place", "remove it: the channel knows only text, and `content` is it")
        return contents

    def _snippet(
        self,
        value: Value,
        entries: dict[str, Value],
        arms: dict[str, dict[str, Value]],
        channel: Channel,
        *,
        has_text_part: bool,
    ) -> dict[str, tuple[Source, Source | None]]:
        """Content and text of arms that a snippet holds."""
        name = value.key()
        library = self._root_folder / SNIPPETS
        folder = library / name
        nothing: dict[str, tuple[Source, Source | None]] = {key: (Source("", ""), None) for key in arms}
        for arm in arms.values():
            for part in ("content", "text"):
                if arm[part].given:
                    arm[part].fault(
                        f"has no place beside the snippet `{name}`", "remove it: the snippet holds the arms"
                    )
        if not folder.is_dir() or not KEY.fullmatch(name):
            self._is_snippet_missing = True
            if KEY.fullmatch(name):
                known = sorted(path.name for path in library.glob("*") if path.is_dir())
                remedy = f"restore the folder, which is in use here, or name another: {did_you_mean(name, known)}"
                value.fault(f"`{name}` is no folder of {self._root_folder}/{SNIPPETS}", remedy)
            return nothing
        main = "html" if channel is Channel.EMAIL else "txt"
        with_text = (
            channel is Channel.EMAIL and has_text_part and any((folder / f"{key}.txt").is_file() for key in arms)
        )
        return {
            key: (
                self._snippet_file(entry, folder, f"{key}.{main}"),
                self._snippet_file(entry, folder, f"{key}.txt") if with_text else None,
            )
            for key, entry in entries.items()
        }

    def _snippet_file(self, arm: Value, folder: Path, name: str) -> Source:
        file = f"{self._root_folder}/{SNIPPETS}/{folder.name}/{name}"
        if not (folder / name).is_file():
            arm.fault(
                f"has no {name} in the snippet `{folder.name}`", f"restore or write {file}, or remove the arm"
            )
            return Source(file, "")
        return self._without_delimiters(self._take(arm, folder, name, file), arm)

    def _source(self, value: Value) -> Source:
        """A file the definition names, not blank; an empty one after a fault."""
        name = value.text()
        file = f"{self._prefix}/{name}"
        return self._take(value, self._folder, name, file) if name.strip() else Source(file, "")

    def _take(self, value: Value, folder: Path, name: str, file: str) -> Source:
        """A file of a folder, which the value stands for."""
        try:
            text = read(folder, name)
        except UnreadableError as error:
            value.fault(error.problem, error.remedy)
            return Source(file, "")
        self._texts[name if folder == self._folder else f"../{SNIPPETS}/{folder.name}/{name}"] = text
        self._reading = file
        source = Source(file, text)
        if not text.strip():
            self._fault(source, value, 0, "is blank", "write what shall be shown: a blank arm flatters the others")
        for mark, remedy in _RESERVED.items():
            if mark in text.lower():
                self._fault(source, value, text.lower().index(mark), f"holds `{mark}`", remedy)
        problem = template_tags.problem(text) or links.problem(text)
        if problem:
            self._fault(source, value, *problem)
        elif limit := _limit(text):
            self.faults.append(Fault(file, limit.line, value.path, str(limit), limits.REMEDY))
        return Source(file, "") if problem and problem[2].endswith(limits.REMEDY) else source

    def _content(self, value: Value) -> Source:
        """A file that fills a slot."""
        return self._without_delimiters(self._source(value), value)

    def _without_delimiters(self, source: Source, value: Value) -> Source:
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
        return replace(layout, source=source)

    def _fault(self, source: Source, value: Value, offset: int, problem: str, remedy: str) -> None:
        """A fault of a file the definition names."""
        self.faults.append(Fault(source.file, source.line(offset), value.path, problem, remedy))


def _limit(text: str) -> RenderError | None:
    """How a text, rendered alone, asks for more than is allowed. What else is wrong with it, the whole tells."""
    try:
        compiled = Compiled(text)
        for profile in SAMPLE_PROFILES:
            compiled.render({**profile, "person": profile})
    except RenderError as error:
        return error if error.is_limit else None
    return None


def _listed(slot: Slot) -> str:
    """The arms of a slot, for a remedy."""
    return ", ".join(f"`{arm.key}`" for arm in slot.arms)


def _accounts(value: Value) -> tuple[str, ...]:
    """The accounts that an experiment names: one, or a list of them."""
    named: dict[str, Value] = {}
    for each in value.sequence() if value.is_list else [value]:
        account = each.text()
        if account in named and account.strip():
            each.fault(f"names `{account}` again", "remove it")
        named[account] = each
    if value.given and not named:
        value.fault("is an empty list", "name at least one account, or remove it: then all have the experiment")
    return tuple(filter(None, named))


def _basis_points(value: Value, default: int) -> int:
    return (value.basis_points() or 0) if value.given else default


def _choice(value: Value, default: E) -> E:
    return value.choice(type(default)) if value.given else default
