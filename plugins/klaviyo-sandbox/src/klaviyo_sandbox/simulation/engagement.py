"""The events that Klaviyo makes of a message and of what people, or machines, do with it. Stores none.

Keys as seen on real events (recordings, webhook samples) and as offered by metric aggregates.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct

from klaviyo_sandbox.model.metric_names import BOUNCED, CLICKED, OPENED, ORDERED, RECEIVED, SPAM, UNSUBSCRIBED

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json

_SENDING_DOMAIN = "send.shop.example"
_INBOXES = {"example.net": "Gmail", "example.org": "Microsoft"}


def _program(name: str, kind: str, system: str, family: str) -> Json:
    return {
        "Client Name": name,
        "Client Type": kind,
        "Client OS": system,
        "Client OS Family": family,
        "Client Canonical": name,
    }


_PROGRAMS = [
    _program("Gmail", "Webmail", "unknown", "unknown"),
    _program("Chrome", "Browser", "Windows 11", "Windows"),
    _program("Chrome Mobile", "Mobile Browser", "Android 16", "Android"),
    _program("Outlook", "Email Client", "Windows 11", "Windows"),
    _program("Mobile Safari", "Mobile Browser", "iOS 26", "iOS"),
]
_APPLE_PROXY = _program("Apple Mail", "Email Client", "iOS 26", "iOS")
_SCANNER = _program("Link scanner", "Robot", "Linux", "Linux")


class PlannedEvent(NamedTuple):
    """An event to be: the metric's name, the second, and `event_properties`."""

    metric: str
    at: int
    properties: Json


class Sending(Struct, frozen=True, kw_only=True):
    """A message as sent to many. `flow_id` is set for flow messages only: its absence is what says "campaign"."""

    message_id: str
    name: str
    subject: str
    at: int
    group_ids: Sequence[str] = ()
    flow_id: str | None = None

    def to(self, email: str, transmission: int, program: Json) -> Delivery:
        """The message on its way to one person.

        Args:
            email: where to.
            transmission: tells deliveries of one message apart.
            program: what the person reads mail with.
        """
        domain = email.rpartition("@")[2]
        common: Json = {
            "$message": self.message_id,
            "$_cohort$message_send_cohort": f"{self.at}:{self.message_id}",
            "Campaign Name": self.name,
            "Subject": self.subject,
            "Email Domain": domain,
            "Inbox Provider": _INBOXES.get(domain.partition(".")[2], "Other"),
            "$ESP": 0,
        }
        if self.group_ids:
            common["$group_ids"] = list(self.group_ids)
        if self.flow_id:
            common["$flow"] = self.flow_id
        return Delivery(common, email, f"{self.message_id}:{transmission}", program)


class Delivery(Struct, frozen=True):
    """A message on its way to one person, and what can come of it."""

    common: Json
    email: str
    key: str
    program: Json

    def received(self, at: int) -> PlannedEvent:
        """It arrives."""
        internal = {"Transmission ID": self.key, "Handoff Time": at, "Sending Domain": _SENDING_DOMAIN}
        return PlannedEvent(RECEIVED, at, {**self.common, "$event_id": self.key, "$internal": internal})

    def opened(self, at: int) -> PlannedEvent:
        """The person opens it. `machine_open` is false on some real events and absent on others."""
        told = {"machine_open": False} if self.program["Client OS Family"] == "iOS" else {}
        return PlannedEvent(OPENED, at, {**self.common, **self.program, **told, "$event_id": f"{self.key}:{at}"})

    def opened_by_machine(self, at: int) -> PlannedEvent:
        """Apple's Mail Privacy Protection opens it."""
        told = {"machine_open": True, "$event_id": f"{self.key}:{at}"}
        return PlannedEvent(OPENED, at, {**self.common, **_APPLE_PROXY, **told})

    def clicked(self, at: int, url: str) -> PlannedEvent:
        """The person clicks. `Bot Click` is false on some real events and absent on others."""
        told = {"Bot Click": False} if self.program["Client OS Family"] == "iOS" else {}
        link = {"URL": url, "$event_id": f"{self.key}:{at}:{url}"}
        return PlannedEvent(CLICKED, at, {**self.common, **self.program, **told, **link})

    def clicked_by_bot(self, at: int, url: str) -> PlannedEvent:
        """A security scanner follows a link."""
        told = {"Bot Click": True, "URL": url, "$event_id": f"{self.key}:{at}:{url}"}
        return PlannedEvent(CLICKED, at, {**self.common, **_SCANNER, **told})

    def bounced(self, at: int, kind: Literal["Hard", "Soft"]) -> PlannedEvent:
        """It comes back."""
        told = {"Bounce Type": kind, "Recipient Email Address": self.email}
        return PlannedEvent(BOUNCED, at, {**self.common, **told, "$event_id": self.key})

    def marked_as_spam(self, at: int) -> PlannedEvent:
        """The person complains."""
        return PlannedEvent(SPAM, at, {**self.common, "$event_id": self.key})

    def unsubscribed(self, at: int) -> PlannedEvent:
        """The person leaves, by the message's link."""
        return PlannedEvent(UNSUBSCRIBED, at, {**self.common, "$event_id": self.key, "Method": "Email link"})


def program(rng: Random) -> Json:
    """What somebody reads mail with."""
    return rng.choice(_PROGRAMS)


def ordered(at: int, number: str, value: float, items: Sequence[str]) -> PlannedEvent:
    """A person buys; as a shop writes it through the API. `$value` is what reports sum."""
    properties = {
        "$event_id": number,
        "$value": value,
        "$value_currency": "USD",
        "OrderId": number,
        "Items": [{"ProductName": item, "Quantity": 1} for item in items],
        "ItemNames": list(items),
        "Item Count": len(items),
    }
    return PlannedEvent(ORDERED, at, properties)
