"""A receiver in the test's process: requests go in as ASGI messages; what it stored is read as the tap does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klaviyo_inbox.receiver import application
from klaviyo_inbox.records import RECEIVED, SEQUENCE, decoded
from klaviyo_inbox.settings import InboxSettings
from klaviyo_inbox.store import open_for_reading
from klaviyo_wire.webhooks import SIGNATURE, TIMESTAMP, WEBHOOK_ID, signature

if TYPE_CHECKING:
    from klaviyo_inbox.store.base import StoredDeadLetter

Json = dict[str, Any]
NOW = datetime(2026, 9, 4, 13, 20, tzinfo=UTC)
SECRET = "klaviyo-test-secret"
TOKEN = "a-token-of-some-length"
MADE = b"Fri, 04 Sep 2026 08:18:00 GMT"
"""Five hours off, as it was recorded."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        value: Json = json.loads(self.body)
        return value


@dataclass
class Door:
    """A receiver whose clock a test sets."""

    settings: InboxSettings
    now: datetime = NOW
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    @contextmanager
    def opened(self) -> Iterator[Door]:
        app = application(self.settings, lambda: self.now)
        self._app = app
        lifespan = app.router.lifespan_context(app)
        with self.runner:
            self.runner.run(lifespan.__aenter__())
            try:
                yield self
            finally:
                self.runner.run(lifespan.__aexit__(None, None, None))

    def call(
        self,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str | bytes] | None = None,
        method: str = "POST",
        query: str = "",
    ) -> Answer:
        return self.runner.run(self.send(path, body, headers, method, query))

    def calls(self, path: str, requests: Iterable[tuple[bytes, Mapping[str, str]]]) -> list[Answer]:
        """Many at once."""

        async def all_of_them() -> list[Answer]:
            return list(await asyncio.gather(*(self.send(path, body, headers) for body, headers in requests)))

        return self.runner.run(all_of_them())

    async def send(
        self,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str | bytes] | None = None,
        method: str = "POST",
        query: str = "",
    ) -> Answer:
        chunks = [body] if isinstance(body, bytes) else list(body)
        coming = iter([*({"type": "http.request", "body": each, "more_body": True} for each in chunks[:-1])])
        last = {"type": "http.request", "body": chunks[-1] if chunks else b""}
        sent: list[Json] = []

        async def receive() -> Json:
            await asyncio.sleep(0)
            return next(coming, last)

        async def answer(message: Any) -> None:  # noqa: ANN401 - of ASGI
            sent.append(message)

        given = {
            name.lower().encode(): value.encode() if isinstance(value, str) else value
            for name, value in (headers or {}).items()
        }
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": list(given.items()),
            "http_version": "1.1",
            "scheme": "http",
        }
        await self._app(scope, receive, answer)
        got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], got, b"".join(each.get("body", b"") for each in sent[1:]))

    def flow(self, body: bytes | Json, experiment: str = "welcome", token: str = TOKEN) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call(f"/klaviyo/flows/{experiment}", raw, {"X-Inbox-Token": token})

    def klaviyo(self, body: bytes | Json) -> Answer:
        return self.call("/klaviyo/webhooks", *signed(body))

    def records(self, stream: str) -> list[Json]:
        """What the tap would read, without the moment of the receipt."""
        with closing(open_for_reading(self.settings.store)) as store:
            rows = list(store.records(stream, 0, 2**62))
        numbers = [each.sequence for each in rows]
        assert numbers == sorted(set(numbers))
        assert not {RECEIVED, SEQUENCE} & {name for each in rows for name in decoded(each.record)}
        return [decoded(each.record) for each in rows]

    def dead_letters(self) -> list[StoredDeadLetter]:
        with closing(open_for_reading(self.settings.store)) as store:
            return list(store.dead_letters())


@contextmanager
def door(folder: Path, **settings: Any) -> Iterator[Door]:  # noqa: ANN401 - of any setting
    """A receiver of a folder's own store; both of Klaviyo's sources are open unless the settings say otherwise."""
    given = {"store": str(folder / "inbox.sqlite"), "klaviyo_webhook_secrets": (SECRET,), "flow_token": TOKEN}
    with Door(InboxSettings(**(given | settings))).opened() as opened:
        yield opened


def signed(
    body: bytes | Json,
    secret: str = SECRET,
    webhook: str = "wh_1",
    made: bytes = MADE,
) -> tuple[bytes, dict[str, str]]:
    """A body with the headers of Klaviyo's system webhooks."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    own = {TIMESTAMP: made.decode(), SIGNATURE: signature(secret, raw, made), WEBHOOK_ID: webhook}
    return raw, own


def digest64(body: bytes, secret: str = SECRET) -> str:
    """What shops sign a body with."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def webhook_body(*events: Any, **meta: Any) -> Json:  # noqa: ANN401 - JSON
    """A delivery of system webhooks."""
    told = {
        "klaviyo_account_id": "AbC123",
        "klaviyo_webhook_id": "wh_1",
        "timestamp": "2026-09-04T13:16:52+00:00",
        "version": "2024-06-28",
    }
    return {
        "data": list(events),
        "meta": {key: value for key, value in (told | meta).items() if value is not None},
    }


def event(key: str = "4L3cwQae2TX", **attributes: Any) -> Json:  # noqa: ANN401 - JSON
    """An event of such a delivery, in the shape of 2024-06-28 as it was recorded."""
    given = {
        "timestamp": 1_788_527_689,
        "datetime": "2026-09-04 13:14:49+00:00",
        "uuid": "5ddd4a80-a860-11f1-8001-5ddf45a5ce7b",
        "event_properties": {"method": "PROFILE_PAGE", "$event_id": "1788527689"},
    }
    return {
        "topic": "event:klaviyo.unsubscribed_from_email_marketing",
        "external_id": key,
        "payload": {
            "data": {
                "type": "event",
                "id": key,
                "attributes": given | attributes,
                "relationships": {
                    "profile": {"data": {"type": "profile", "id": "01HZXPROFILE"}},
                    "metric": {"data": {"type": "metric", "id": "M3TR1C"}},
                },
                "links": {"self": f"https://a.klaviyo.com/api/events/{key}/"},
            }
        },
    }
