"""What a validated definition is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from singer_program.definitions.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from singer_program.definitions.files import Source
    from tap_experiments.language.wrapper import Layout

WHOLE = 10_000
"""Basis points of an audience, of a layer, and of a slot's weights."""

PROJECT = "project.yml"
"""What holds for all experiments, beside their folders."""

SNIPPETS = "_snippets"
"""Folder of the contents that several experiments share, beside the experiments."""

HASH_MARK = "<!-- lf:"
"""Begins the comment by which a generated template is recognised."""

FALLBACK = "fb"
"""What `lf_cid` says in the branch of a profile without an assignment; so no arm may be called that."""


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
    SMS = "sms"
    PUSH = "push"


class AudienceType(StrEnum):
    """What kind of Klaviyo group an audience is; of a flow it is the profiles for which it asked."""

    LIST = "list"
    SEGMENT = "segment"
    FLOW = "flow"


class Operator(StrEnum):
    """How a condition compares a field with its values."""

    IN = "in"
    NOT_IN = "not_in"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    MORE_THAN = "more_than"
    LESS_THAN = "less_than"
    SINCE = "since"
    BEFORE = "before"
    EXISTS = "exists"


class UnitHash(StrEnum):
    """How a profile's id becomes a bucket."""

    MD5 = "md5"
    GROWTHBOOK_V2 = "growthbook_v2"


class Assignment(StrEnum):
    """How buckets become arms."""

    HASH = "hash"
    QUOTA = "quota"


class Decision(StrEnum):
    """When the primary metric may decide.

    Attributes:
        ALWAYS: At every look, by an always-valid interval.
        FIXED: Once, at the planned stop, by a test of fixed size.
    """

    ALWAYS = "always"
    FIXED = "fixed"


class DimensionKind(StrEnum):
    """By what profiles are grouped, as they were when they were assigned.

    Attributes:
        COUNTRY: The country of the profile's location.
        DEVICE: What it opened or clicked with last.
        TENURE: Whether the profile was new.
        PROPERTY: A property of its own.
        SEGMENT: Whether it was in a segment.
        LIST: Whether it was on a list.
    """

    COUNTRY = "country"
    DEVICE = "device"
    TENURE = "tenure"
    PROPERTY = "property"
    SEGMENT = "segment"
    LIST = "list"


class Method(StrEnum):
    """Where the weights of a slot's arms come from."""

    EQUAL = "equal"
    MANUAL = "manual"
    THOMPSON = "thompson"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a profile must fulfil beside being in the audience.

    Attributes:
        field: A column of the profiles, `location.<key>` or `properties.<key>`.
        operator: How it is compared.
        values: With what: texts, numbers as written, ISO dates, `true` or `false`.
    """

    field: str
    operator: Operator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """By what effects are told apart from each other.

    Attributes:
        kind: What it is.
        name: Of the property, or Klaviyo's id or name of the list or segment; else empty.
    """

    kind: DimensionKind
    name: str = ""

    @property
    def label(self) -> str:
        """What it is called in the warehouse: `country`, `property:plan`."""
        return f"{self.kind}:{self.name}" if self.name else self.kind.value


@dataclass(frozen=True, slots=True)
class Layer:
    """The part of a layer's buckets that belongs to an experiment: from `start_bp` up to, without, `end_bp`."""

    name: str
    start_bp: int
    end_bp: int


@dataclass(frozen=True, slots=True)
class Thompson:
    """Limits of an allocation that the warehouse derives from earlier results."""

    floor_bp: int
    """No arm gets less."""
    half_life_days: int
    """An earlier result counts half after so many days."""
    at_most: int
    """No arm's history counts for more profiles than this."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One content of a slot."""

    key: str
    is_control: bool
    weight_bp: int | None
    """None: the warehouse decides."""
    content: Source
    """Of a slot that stands in the subject line only: the subject."""
    text: Source | None
    """The same content for the template's text part."""
    subject: Source | None = None
    """What it puts into the subject line."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the template that is filled by one of several arms; their weights, if known, sum to `WHOLE`."""

    key: str
    arms: tuple[Arm, ...]
    method: Method
    thompson: Thompson | None
    snippet: str | None
    subject_only: bool = False
    """Whether it stands in the subject line and nowhere else."""
    winner: str | None = None
    """The arm that everybody is shown, now that the experiment has ended; none before, and without a winner."""

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
    accounts: tuple[str, ...]
    """Those that it runs in; none: all."""
    channel: Channel
    audience_type: AudienceType
    audience: str
    conditions: tuple[Condition, ...]
    traffic_bp: int
    layer: Layer | None
    holdout_bp: int
    group: str | None
    unit_hash: UnitHash
    assignment: Assignment
    balance_tries: int
    """1: the first salt is taken."""
    balance_days: int
    primary_metric: str
    """Like all outcome metrics, by its name in the catalogue."""
    secondary_metrics: tuple[str, ...]
    guardrails: Mapping[str, float]
    """Margins in percentage points."""
    metric_windows: Mapping[str, int]
    """Days after a receipt in which a named outcome metric counts, where it is not the attribution window."""
    planned_stop: date | None
    decision: Decision
    minimum_detectable_effect: float | None
    """Relative, as a fraction."""
    dimensions: tuple[Dimension, ...]
    """By what the effect is told, chosen before it is seen; it decides nothing."""
    attribution_window_days: int
    campaign_message_ids: tuple[str, ...]
    slots: tuple[Slot, ...]
    template_name: str
    html: Layout | None
    """None: the channel knows only text."""
    text: Layout | None
    subject: Layout | None
    """None: the definition has none."""
    is_cleaned_up: bool
    """Whether profiles shall hold no assignment of it any more, though it has a winner."""
    file: str
    """The definition file's name in messages."""
    lines: Mapping[str, int]
    """Where each key path stands in it."""
    sha256: str
    """Of the definition file and every file it names."""

    def runs_in(self, account: str) -> bool:
        """Whether it runs in an account."""
        return not self.accounts or account in self.accounts

    @property
    def is_shipped(self) -> bool:
        """Whether it has ended with a winner, one for each slot."""
        return all(slot.winner for slot in self.slots)

    @property
    def is_in_profiles(self) -> bool:
        """Whether profiles may hold assignments of it, now or when it goes live."""
        return self.status is not Status.ENDED or (self.is_shipped and not self.is_cleaned_up)

    def fault(self, key: str, problem: str, remedy: str) -> Fault:
        """A fault at a key path of the definition."""
        return Fault(self.file, self.lines.get(key, 0), key, problem, remedy)
