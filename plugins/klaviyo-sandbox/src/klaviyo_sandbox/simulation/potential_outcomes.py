"""What one recipient does with a message: potential outcomes.

A profile's luck is drawn once, from the seed and the profile's id alone. Whatever is shown, the luck stays; only
the rates it is compared with differ. So an arm's effect is exactly the difference of its rates, and adding or
removing a profile changes nobody else.
"""

from __future__ import annotations

from math import exp
from random import Random
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from klaviyo_sandbox.simulation.truth import Rates, Truth

_SPREAD = 0.6  # of the logarithm of an order's value
_HARD_BOUNCES = 0.7


class Response(Struct, frozen=True):
    """What happens. To a profile that did not receive the message only an order without cause can happen.

    `orders` are the values of the orders: the one that the message caused and the one that it did not.
    """

    bounced: Literal["Hard", "Soft"] | None = None
    opened: bool = False
    clicked: bool = False
    unsubscribed: bool = False
    marked_as_spam: bool = False
    opened_by_machine: bool = False
    clicked_by_bot: bool = False
    orders: tuple[float, ...] = ()


class PotentialOutcomes:
    """What one profile would do, whichever arms it were shown."""

    def __init__(self, seed: int, profile_id: str) -> None:
        rng = Random(f"{seed}:{profile_id}")  # noqa: S311 - a simulation
        self._bounce, self._hard = rng.random(), rng.random()
        # One draw decides opening, clicking and ordering: each has exactly its rate, and those who order are among
        # those who click, who are among those who open.
        self._interest = rng.random()
        self._unsubscribe = rng.random()
        self._spam = rng.random()
        self._machine = rng.random()
        self._bot = rng.random()
        self._background = rng.random()
        self._value, self._background_value = rng.gauss(0, _SPREAD), rng.gauss(0, _SPREAD)

    def bounces(self, truth: Truth) -> bool:
        """Whether a message sent to the profile is not received."""
        return self._bounce < truth.noise.bounce

    def bounce(self, truth: Truth) -> Response:
        """What happens when the message bounces."""
        kind: Literal["Hard", "Soft"] = "Hard" if self._hard < _HARD_BOUNCES else "Soft"
        return Response(bounced=kind, orders=self._background_orders(truth))

    def unreached(self, truth: Truth) -> Response:
        """What happens to a profile that is not sent the message."""
        return Response(orders=self._background_orders(truth))

    def response(self, truth: Truth, rates: Rates, *, has_links: bool) -> Response:
        """What happens when the message is received and arms of these rates are shown; no links, no clicks."""
        caused = (_money(rates.order_value, self._value),) if self._interest < rates.order else ()
        return Response(
            opened=self._interest < rates.open,
            clicked=has_links and self._interest < rates.click,
            unsubscribed=self._unsubscribe < rates.unsubscribe,
            marked_as_spam=self._spam < rates.spam,
            opened_by_machine=self._machine < truth.noise.machine_open,
            clicked_by_bot=has_links and self._bot < truth.noise.bot_click,
            orders=caused + self._background_orders(truth),
        )

    def _background_orders(self, truth: Truth) -> tuple[float, ...]:
        if self._background >= truth.noise.background_order:
            return ()
        return (_money(truth.baseline.order_value, self._background_value),)


def _money(mean: float, deviation: float) -> float:
    """A log-normal amount of this mean, in whole cents."""
    return round(mean * exp(deviation - _SPREAD * _SPREAD / 2), 2)
