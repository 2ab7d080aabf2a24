"""What a simulated send truly causes: baseline rates and the effect of every arm, in one declaration.

    baseline: {open: 0.35, click: 0.06}
    noise: {machine_open: 0.5}
    effects:
      - {slot: spring_hero.hero, arm: bold, outcome: click, multiply: 1.4}

The rates are shares of the profiles that *received* the message. The baseline is what the control does, so the
control has no effects; nor has the fallback `fb`, which shows the control's content. Every rendered arm counts:

    rate = baseline x every `multiply` + every `add`

`Truth.expected` says what a measurement without error would find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

FALLBACK = "fb"

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]
Arms = Mapping[str, str]
"""The arm that was rendered in each slot: `{"spring_hero.hero": "bold"}`."""


class TruthError(ValueError):
    """The truth is not usable. The message names the place."""


class Rates(Struct, frozen=True, forbid_unknown_fields=True):
    """What people do with a message they received; `order_value` is the mean of an order."""

    open: Share = 0.35
    click: Share = 0.06
    order: Share = 0.02
    unsubscribe: Share = 0.004
    spam: Share = 0.0005
    order_value: Amount = 60.0


class Noise(Struct, frozen=True, forbid_unknown_fields=True):
    """What no arm causes: shares of the profiles sent to, but `late` of the events.

    `late` events can be read only some time after they occurred. `background_order` is the share of all the
    audience that orders whatever the message says.
    """

    bounce: Share = 0.01
    machine_open: Share = 0.4
    bot_click: Share = 0.04
    background_order: Share = 0.01
    late: Share = 0.05


class Effect(Struct, frozen=True, forbid_unknown_fields=True):
    """How an arm of a slot (`experiment.slot`) changes one outcome."""

    slot: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\.[a-z][a-z0-9_]{0,39}$")]
    arm: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    outcome: Literal["open", "click", "order", "unsubscribe", "spam", "order_value"]
    multiply: Amount = 1.0
    add: float = 0.0


class Expected(Struct, frozen=True):
    """Means per receiving profile, machine opens and bot clicks left out."""

    opened: float
    clicked: float
    ordered: float
    revenue: float
    unsubscribed: float


class Truth(Struct, frozen=True, forbid_unknown_fields=True):
    """Baseline, noise and effects.

    Raises:
        TruthError: an effect that cannot be: of the fallback, given twice, or leading out of the range of a share.
    """

    baseline: Rates = Rates()
    noise: Noise = Noise()
    effects: tuple[Effect, ...] = ()

    def __post_init__(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for index, effect in enumerate(self.effects):
            if effect.arm == FALLBACK:
                msg = f"effects[{index}]: `{FALLBACK}` shows the control's content and has no effect of its own"
                raise TruthError(msg)
            if (effect.slot, effect.arm, effect.outcome) in seen:
                msg = f"effects[{index}]: {effect.slot}.{effect.arm} already has an effect on {effect.outcome}"
                raise TruthError(msg)
            seen.add((effect.slot, effect.arm, effect.outcome))
        for combination in self._combinations():
            self.rates(combination)

    def rates(self, arms: Arms) -> Rates:
        """The rates of somebody who was shown these arms.

        Raises:
            TruthError: the effects together leave the range of a share.
        """
        effects = [effect for effect in self.effects if arms.get(effect.slot) == effect.arm]
        rates: dict[str, float] = {}
        for outcome, baseline in msgspec.structs.asdict(self.baseline).items():
            changes = [effect for effect in effects if effect.outcome == outcome]
            rate = baseline * prod(each.multiply for each in changes) + sum(each.add for each in changes)
            if rate < 0 or (rate > 1 and outcome != "order_value"):
                shown = ", ".join(f"{slot}.{arm}" for slot, arm in arms.items())
                msg = f"{outcome} becomes {rate:g} where {shown} is shown; it must be between 0 and 1"
                raise TruthError(msg)
            rates[outcome] = rate
        return Rates(**rates)

    def expected(self, arms: Arms) -> Expected:
        """What an errorless measurement finds among receiving profiles that were shown these arms.

        Orders that the message did not cause are part of what is measured.
        """
        rates, background = self.rates(arms), self.noise.background_order
        return Expected(
            opened=rates.open,
            clicked=rates.click,
            ordered=1 - (1 - rates.order) * (1 - background),
            revenue=rates.order * rates.order_value + background * self.baseline.order_value,
            unsubscribed=rates.unsubscribe,
        )

    def _combinations(self) -> Iterator[Arms]:
        arms: dict[str, dict[str, None]] = {}  # a set in order
        for effect in self.effects:
            arms.setdefault(effect.slot, {FALLBACK: None})[effect.arm] = None
        for shown in product(*arms.values()):
            yield dict(zip(arms, shown, strict=True))


def parse(document: object) -> Truth:
    """The truth in a decoded JSON or YAML document; an empty one is all defaults.

    Raises:
        TruthError: it is not of the form.
    """
    try:
        return msgspec.convert({} if document is None else document, Truth)
    except msgspec.ValidationError as error:
        msg = f"the truth of the send is wrong: {error}"
        raise TruthError(msg) from error


def load(path: Path) -> Truth:
    """The truth in a YAML file, or a JSON file if its name ends so.

    Raises:
        TruthError: the file cannot be read or is not of the form.
    """
    decode: Any = msgspec.json.decode if path.suffix == ".json" else msgspec.yaml.decode
    try:
        return parse(decode(path.read_bytes()))
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise TruthError(msg) from error
    except (msgspec.DecodeError, TruthError) as error:
        msg = f"{path}: {' '.join(str(error).split())}"  # YAML's messages span lines
        raise TruthError(msg) from error
