"""The door in the demo: who calls its receiver, and what became of it."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import requests
from project import BIN, JobFailed
from serving import serving

from tap_experiments.definitions.model import Experiment, PropertyFormat
from tap_experiments.project import load
from tap_experiments.templating import flow_webhook

EXPERIMENT = "welcome_offer"
"""The one whose audience is a flow: demo/experiments/welcome_offer."""
LEFT = "event:klaviyo.unsubscribed_from_email_marketing"
ORDER = {
    "order_id": "1001",
    "event": "placed",
    "email": "ada@customers.example.org",
    "value": "59.90",
    "currency": "USD",
    "lines": [{"line_id": "1", "sku": "linen-shirt", "name": "Linen shirt", "quantity": 1, "price": "59.90"}],
}
_OWN = "KLAVIYO_INBOX_"
_SECONDS_TO_ANSWER = 30
_REVISION = "2026-07-15"


@dataclass(frozen=True)
class Secrets:
    """What opens the demo's receiver, made up for this one."""

    order_token: str
    flow_token: str
    webhook_secret: str

    @classmethod
    def made(cls) -> Secrets:
        """New ones."""
        return cls(*(secrets.token_hex(16) for _ in range(3)))

    def variables(self) -> dict[str, str]:
        """The receiver's settings."""
        return {
            f"{_OWN}ORDER_TOKEN": self.order_token,
            f"{_OWN}FLOW_TOKEN": self.flow_token,
            f"{_OWN}KLAVIYO_WEBHOOK_SECRETS": f'["{self.webhook_secret}"]',
        }


class Door:
    """A running receiver, and the shop, the flow and the local Klaviyo that call it."""

    def __init__(self, url: str, opened_by: Secrets, klaviyo: str, api_key: str) -> None:
        self.url = url
        self._secrets = opened_by
        self._klaviyo = klaviyo
        self._session = requests.Session()
        self._session.trust_env = False  # all of them are of this machine
        self._headers = {"Authorization": f"Klaviyo-API-Key {api_key}", "revision": _REVISION}

    def register(self) -> None:
        """Have the local Klaviyo tell the receiver of who unsubscribes from now on."""
        attributes = {
            "name": "Unsubscribes",
            "endpoint_url": f"{self.url}/klaviyo/webhooks",
            "secret_key": self._secrets.webhook_secret,
        }
        topics = {"webhook-topics": {"data": [{"type": "webhook-topic", "id": LEFT}]}}
        body = {"data": {"type": "webhook", "attributes": attributes, "relationships": topics}}
        headers = {**self._headers, "Content-Type": "application/vnd.api+json"}
        self._post(f"{self._klaviyo}/api/webhooks", body, headers)

    def order(self) -> None:
        """The shop tells of an order."""
        self._post(f"{self.url}/shop/orders", ORDER, {"Authorization": f"Bearer {self._secrets.order_token}"})

    def ask(self, experiment: Experiment, profile_id: str) -> None:
        """Somebody enters the flow, whose webhook action asks what to show."""
        webhook = {
            "url": f"{self.url}{flow_webhook.path(experiment)}",
            "headers": {"Content-Type": "application/json", "X-Inbox-Token": self._secrets.flow_token},
            "body": flow_webhook.body(experiment),
        }
        run = {"flow": experiment.audience, "webhook": webhook, "profiles": [profile_id]}
        outcomes = self._post(f"{self._klaviyo}/sandbox/flow-webhook-calls", run, {})
        _all_taken("the webhook of a flow", outcomes)

    def tell_who_left(self) -> int:
        """The local Klaviyo calls its webhook. Answers of how many it told."""
        outcomes = self._post(f"{self._klaviyo}/sandbox/webhook-calls", {}, {})
        _all_taken("Klaviyo's webhook", outcomes)
        return sum(each["events"] for each in outcomes)

    def held(self, profile_id: str) -> list[str]:
        """What the profile is to be shown of the experiment, as Klaviyo holds it."""
        tokens = self._get(f"profiles/{profile_id}")["data"]["attributes"]["properties"].get("lf_assignments", [])
        return [each for each in tokens if each.startswith(f"{EXPERIMENT}:")]

    def bought(self) -> dict[str, int]:
        """How many events of each metric the account holds of the person who ordered, once it shows them."""
        deadline = time.monotonic() + _SECONDS_TO_ANSWER
        while not (found := self._events_of(str(ORDER["email"]))) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def _events_of(self, email: str) -> dict[str, int]:
        people = self._get("profiles", filter=f'equals(email,"{email}")')["data"]
        if not people:
            return {}
        of_one = f'equals(profile_id,"{people[0]["id"]}")'
        found = self._get("events", filter=of_one, include="metric")
        names = {each["id"]: each["attributes"]["name"] for each in found.get("included", ())}
        return Counter(names[each["relationships"]["metric"]["data"]["id"]] for each in found["data"])

    def _get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        url = f"{self._klaviyo}/api/{path}"
        answer = self._session.get(url, params=params, headers=self._headers, timeout=_SECONDS_TO_ANSWER)
        answer.raise_for_status()
        return answer.json()

    def _post(self, url: str, body: object, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        answer = self._session.post(url, json=body, headers=dict(headers), timeout=_SECONDS_TO_ANSWER)
        if not answer.ok:
            msg = f"{url} answered {answer.status_code}: {answer.text[:300]}"
            raise JobFailed(msg)
        return answer.json()


@contextmanager
def door(home: Path, klaviyo: str, api_key: str, variables: Mapping[str, str]) -> Iterator[Door]:
    """Start a receiver on a free port, open to its three callers; it is gone afterwards, whatever happened.

    Args:
        home: Its store lies there.
        klaviyo: Where the local Klaviyo listens.
        api_key: Of the local Klaviyo.
        variables: Those with which the jobs run.
    """
    opened_by = Secrets.made()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    command = [str(BIN / "klaviyo-inbox"), "serve", "--port=0"]
    environment = {**inherited, **variables, **opened_by.variables()}
    with serving("receiver", command, home / "receiver.json", environment) as told:
        opened = Door(told["url"], opened_by, klaviyo, api_key)
        opened.register()
        yield opened


def experiment_of_a_flow(folder: Path) -> Experiment:
    """The experiment that the demo's flow asks for."""
    return next(each for each, _ in load(folder, PropertyFormat.LIST).pairs if each.key == EXPERIMENT)


def somebody(warehouse: Path) -> str:
    """The id of a profile, for whom the flow asks."""
    return str(_rows(warehouse, "select min(id) from klaviyo_raw.profiles")[0][0])


def pushed_unsubscribes(warehouse: Path) -> list[str]:
    """The ids of the events that the job read out of the receiver."""
    return [row[0] for row in _rows(warehouse, "select id from klaviyo_raw.pushed_events")]


def order_line(held: Mapping[str, int]) -> str:
    """What became of the order, by the events that Klaviyo holds of whoever ordered."""
    shown = " and ".join(f"{count} {name}" for name, count in sorted(held.items(), reverse=True)) or "nothing"
    return f"{ORDER['order_id']} over {ORDER['value']} {ORDER['currency']} came twice: Klaviyo holds {shown} of it"


def unsubscribes_line(warehouse: Path, told: int, pushed: list[str]) -> str:
    """What became of those who left.

    Args:
        warehouse: After it was measured.
        told: Of how many the webhook was called.
        pushed: Their events.
    """
    [(rows,)] = _rows(
        warehouse,
        "select count(*) from marts.fct_consent_changes where change = 'unsubscribed' and change_id in"
        " (select unnest(?))",
        pushed,
    )
    whose = "for a database of your own (docs/consent-changes.md)"
    return (
        f"{told} left by the mail's link, as Klaviyo's webhook told: {rows} rows of fct_consent_changes, {whose}"
    )


def _all_taken(what: str, outcomes: list[dict[str, Any]]) -> None:
    refused = [each["status"] for each in outcomes if each["status"] != requests.codes.ok]
    if refused:
        msg = f"the receiver answered {what} with {refused[0]}"
        raise JobFailed(msg)


def _rows(warehouse: Path, sql: str, *values: object) -> list[Any]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(sql, values).fetchall()
