"""When the events of a send happen: in which order, and at which second, people and machines act."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct

from klaviyo_sandbox.simulation.engagement import Delivery, PlannedEvent, ordered

if TYPE_CHECKING:
    from klaviyo_sandbox.simulation.potential_outcomes import Response

_OPENS_AGAIN = 0.2
_CLICKS_AGAIN = 0.25
_PRODUCTS = ("Linen shirt", "Canvas tote", "Trail shoes", "Wool socks", "Rain jacket")


class Timing(Struct, frozen=True, kw_only=True):
    """When a send happens; seconds.

    Everything is dated from `at` to `at + duration`: the shorter, the more events share a second. Late events can
    be read 1 to `late_by` seconds after that. `now` is the present: what occurs later cannot be read before.
    """

    at: int
    now: int
    duration: int = 8
    late_by: int = 60

    @property
    def end(self) -> int:
        """The last second of it."""
        return self.at + self.duration

    def second(self, share: float) -> int:
        """The second at this share of the duration."""
        return self.at + int(share * self.duration)


class SendSchedule:
    """Turns what one person does into events. `rng` decides moments and other details that mean nothing."""

    def __init__(self, timing: Timing, rng: Random) -> None:
        self._timing, self._rng = timing, rng
        self._delivered = 0.3 * rng.random()
        self._opened = self._after(self._delivered)
        self._clicked = self._after(self._opened)

    def _after(self, share: float) -> float:
        """A share of the duration between this one and 1, sooner rather than later."""
        return share + (1 - share) * self._rng.random() ** 2

    def read(self, response: Response, delivery: Delivery, links: tuple[str, ...]) -> Iterator[PlannedEvent]:
        """What comes of a message that was received."""
        timing = self._timing
        yield delivery.received(timing.second(self._delivered))
        yield from self._machines(response, delivery, links)
        if response.opened:
            yield delivery.opened(timing.second(self._opened))
            if self._rng.random() < _OPENS_AGAIN:
                yield delivery.opened(timing.second(self._after(self._opened)))
        if response.clicked:
            yield delivery.clicked(timing.second(self._clicked), self._rng.choice(links))
            if self._rng.random() < _CLICKS_AGAIN:
                yield delivery.clicked(timing.second(self._after(self._clicked)), self._rng.choice(links))
        if response.marked_as_spam:
            yield delivery.marked_as_spam(timing.second(self._after(self._opened)))
        if response.unsubscribed:
            yield delivery.unsubscribed(timing.second(self._after(self._opened)))
        yield from self.shop(response)

    def _machines(self, response: Response, delivery: Delivery, links: tuple[str, ...]) -> Iterator[PlannedEvent]:
        """Machines act within seconds of delivery; a scanner follows several links."""
        timing, rng = self._timing, self._rng
        arrival = timing.second(self._delivered)
        if response.opened_by_machine:
            yield delivery.opened_by_machine(min(timing.end, arrival + rng.randint(0, 4)))
        if response.clicked_by_bot:
            for url in rng.sample(links, min(len(links), rng.randint(2, 5))):
                yield delivery.clicked_by_bot(min(timing.end, arrival + rng.randint(0, 3)), url)

    def bounce(self, response: Response, delivery: Delivery) -> Iterator[PlannedEvent]:
        """What comes of a message that was not received."""
        if response.bounced:
            yield delivery.bounced(self._timing.second(self._delivered), response.bounced)
        yield from self.shop(response)

    def shop(self, response: Response) -> Iterator[PlannedEvent]:
        """The orders: those of a person who received the message come after that."""
        for value in response.orders:
            items = self._rng.sample(_PRODUCTS, self._rng.randint(1, 3))
            number = f"{self._rng.getrandbits(40):013d}"
            yield ordered(self._timing.second(self._after(self._clicked)), number, value, items)
