"""What a source is: where it is called, how its senders are known, and what its deliveries become."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klaviyo_inbox.delivery import DeadLetter, Delivery, Item, Parcel, parcel

if TYPE_CHECKING:
    from klaviyo_inbox.records import Stream
    from klaviyo_inbox.settings import InboxSettings
    from klaviyo_inbox.verification import Verification


def _no_check(_delivery: Delivery, _settings: InboxSettings) -> None:
    """Of most sources the secret says everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The declaration of a source.

    Attributes:
        name: As it stands in logs, metrics and the store; it tells keys of one source from those of another.
        paths: Where it is called; a part in braces is a parameter of the delivery.
        setting: The setting whose secrets open it.
        verification: How a sender is known.
        proof: What the sender shows, for people.
        stream: What its items are records of.
        divide: The parts of a delivery: an item for each that becomes a record, a dead letter for each that does
            not. May raise `UnusableError`: then the whole of it is put away.
        check: What is asked beyond the secret, of the signed body. Raises `RefusedError`.
        own_word: Whether people speak for themselves in it. Then it is kept of whoever was forgotten, too: what
            they consent to, withdraw or ask for anew must be heard.
        headers: Those of a delivery, in lower case, by which the body is understood or checked.
        ping: An unsigned body, sent to see whether anybody is there: it is answered 200, and nothing is kept.
        request_id: What the sender is told of an item, by which it is known later; None: nothing.
        idempotency: What tells one item from another, for people.
        retries: What the sender does with an answer that is not 2xx, for people.
        registration: How the sender is told of the receiver, for people.
    """

    name: str
    paths: tuple[str, ...]
    setting: str
    verification: Verification
    proof: str
    stream: Stream
    divide: Callable[[Delivery], Iterable[Item | DeadLetter]]
    check: Callable[[Delivery, InboxSettings], None] = _no_check
    own_word: bool = False
    headers: frozenset[str] = frozenset()
    ping: re.Pattern[bytes] | None = None
    request_id: Callable[[Item], str] | None = None
    idempotency: str
    retries: str
    registration: str

    def parcel(self, delivery: Delivery) -> Parcel:
        """What a delivery is in the store.

        Raises:
            UnusableError: nothing can be told apart in it.
        """
        return parcel(self.name, self.stream.name, delivery, self.divide(delivery))
