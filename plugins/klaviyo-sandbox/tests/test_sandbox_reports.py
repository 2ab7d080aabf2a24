"""Values reports: what is counted where, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import ExpiredCursor, Status, Throttle
from klaviyo_sandbox.model import metric_names
from klaviyo_sandbox.model.records import CampaignMessage, Event
from klaviyo_sandbox.operations.reports import RESULTS_PER_PAGE
from klaviyo_sandbox.protocol.bodies import Timeframe
from klaviyo_sandbox.state.campaigns import draft
from klaviyo_sandbox.state.reports import STATISTICS, span

if TYPE_CHECKING:
    from klaviyo_sandbox.model.clock import Clock

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
DAY = {"start": "2026-10-20T00:00:00+00:00", "end": "2026-10-21T00:00:00+00:00"}
NEXT_DAY = {"start": "2026-10-21T00:00:00+00:00", "end": "2026-10-22T00:00:00+00:00"}


class Shop:
    """An account without events, with ways to make some."""

    def __init__(self, sandbox: Sandbox, api: requests.Session) -> None:
        self.sandbox, self.api = sandbox, api
        self.made = 0
        self.order_metric = self.metric(metric_names.ORDERED, "api")

    def metric(self, name: str, source: str = "klaviyo") -> str:
        metric = self.sandbox.store.metric_named(name, source)
        assert metric
        return metric.id

    def campaign(self, name: str = "Weekly picks", channel: str = "email") -> str:
        """The id of the message of a new campaign."""
        self.made += 1
        campaign, message = draft(Random(self.made), name, [], 1_790_000_000 + self.made, channel)  # noqa: S311
        self.sandbox.store.put(campaign)
        self.sandbox.store.put(message)
        return message.id

    def happens(
        self,
        name: str,
        at: str,
        profile: str = "ada",
        *,
        told: Mapping[str, Any] = MappingProxyType({}),
        visible_at: int | None = None,
    ) -> None:
        """An event, at a local time of Copenhagen."""
        self.made += 1
        event = Event(
            id=f"E{self.made:010d}",
            uuid="",
            timestamp=int(datetime.fromisoformat(at).replace(tzinfo=COPENHAGEN).timestamp()),
            metric_id=self.metric(name, "api" if name == metric_names.ORDERED else "klaviyo"),
            profile_id=profile,
            properties=dict(told),
        )
        self.sandbox.store.add_events([event], visible_at=visible_at)

    def ask(self, report: str = "campaign", query: str = "", /, **attributes: object) -> requests.Response:
        asked = {
            "statistics": ["opens"],
            "timeframe": DAY,
            "conversion_metric_id": self.order_metric,
            **attributes,
        }
        body = {"data": {"type": f"{report}-values-report", "attributes": asked}}
        return self.api.post(f"/api/{report}-values-reports{query}", json=body)

    def rows(self, report: str = "campaign", **attributes: object) -> list[dict[str, Any]]:
        response = self.ask(report, "", **attributes)
        assert response.status_code == 200, response.text
        return list(response.json()["data"]["attributes"]["results"])

    def values(self, *statistics: str, timeframe: object = DAY) -> dict[str, float]:
        """The statistics of the only row; {} without one."""
        rows = self.rows(statistics=list(statistics), timeframe=timeframe)
        assert len(rows) <= 1
        return dict(rows[0]["statistics"]) if rows else {}


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """An account without events."""
    with Sandbox(profiles=2, events=0, segments=0, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def shop(sandbox: Sandbox, api: requests.Session) -> Shop:
    return Shop(sandbox, api)


def test_a_day_s_sending_and_all_that_came_of_it(shop: Shop) -> None:
    told: dict[str, Any] = {"$message": shop.campaign()}
    for person in ("ada", "bee", "cleo"):
        shop.happens(metric_names.RECEIVED, "2026-10-20T09:00:00", person, told=told)
    shop.happens(metric_names.BOUNCED, "2026-10-20T09:00:00", "dora", told=told)
    shop.happens(metric_names.OPENED, "2026-10-20T09:00:03", "ada", told={**told, "machine_open": True})
    shop.happens(metric_names.OPENED, "2026-10-25T12:00:00", "ada", told=told)
    shop.happens(metric_names.OPENED, "2026-10-25T13:00:00", "bee", told=told)
    shop.happens(metric_names.CLICKED, "2026-10-25T13:00:09", "bee", told=told)
    shop.happens(metric_names.SPAM, "2026-10-26T08:00:00", "ada", told=told)
    shop.happens(metric_names.UNSUBSCRIBED, "2026-10-26T08:00:00", "ada", told=told)
    shop.happens(metric_names.UNSUBSCRIBED, "2026-10-26T08:00:00", "ada")  # of no message
    shop.happens(metric_names.ORDERED, "2026-10-25T14:00:00", "bee", told={"$value": 10.5})
    shop.happens(metric_names.ORDERED, "2026-10-29T14:00:00", "bee", told={"$value": 20.25})
    shop.happens(metric_names.ORDERED, "2026-10-30T13:00:10", "bee", told={"$value": 99})  # five days are over
    shop.happens(metric_names.ORDERED, "2026-10-20T09:00:02", "bee", told={"$value": 99})  # before anything
    shop.happens(metric_names.ORDERED, "2026-10-20T09:00:04", "cleo", told={"$value": 99})  # touched nothing
    assert shop.values(*STATISTICS) == {
        "average_order_value": 30.75 / 2,
        "bounce_rate": 0.25,
        "bounced": 1.0,
        "bounced_or_failed": 1.0,
        "bounced_or_failed_rate": 0.25,
        "click_rate": 1 / 3,
        "click_to_open_rate": 0.5,
        "clicks": 1.0,
        "clicks_unique": 1.0,
        "conversion_rate": 1 / 3,
        "conversion_uniques": 1.0,
        "conversion_value": 30.75,
        "conversions": 2.0,
        "delivered": 3.0,
        "delivery_rate": 0.75,
        "failed": 0.0,
        "failed_rate": 0.0,
        "message_segment_count_sum": 0.0,
        "open_rate": 2 / 3,
        "opens": 3.0,
        "opens_unique": 2.0,
        "recipients": 4.0,
        "revenue_per_recipient": 30.75 / 3,
        "spam_complaint_rate": 1 / 3,
        "spam_complaints": 1.0,
        "text_message_credit_usage_amount": 0.0,
        "text_message_roi": 0.0,
        "text_message_spend": 0.0,
        "unsubscribe_rate": 1 / 3,
        "unsubscribe_uniques": 1.0,
        "unsubscribes": 1.0,
    }


def test_what_comes_later_counts_where_the_message_was_sent(shop: Shop) -> None:
    told: dict[str, Any] = {"$message": shop.campaign()}
    shop.happens(metric_names.RECEIVED, "2026-10-20T23:59:59", told=told)
    shop.happens(metric_names.OPENED, "2026-10-21T00:00:00", told=told)
    assert shop.values("opens") == {"opens": 1.0}
    assert shop.values("opens", timeframe=NEXT_DAY) == {}


def test_a_message_sent_again_has_what_came_of_each_sending(shop: Shop) -> None:
    told: dict[str, Any] = {"$message": shop.campaign()}
    for day, opens in (("20", 1), ("21", 2)):
        shop.happens(metric_names.RECEIVED, f"2026-10-{day}T09:00:00", told=told)
        for second in range(opens):
            shop.happens(metric_names.OPENED, f"2026-10-{day}T10:00:0{second}", told=told)
    assert shop.values("opens", "recipients") == {"opens": 1.0, "recipients": 1.0}
    assert shop.values("opens", "recipients", timeframe=NEXT_DAY) == {"opens": 2.0, "recipients": 1.0}


def test_late_events_change_an_earlier_day(shop: Shop) -> None:
    told: dict[str, Any] = {"$message": shop.campaign()}
    shop.happens(metric_names.RECEIVED, "2026-10-20T09:00:00", told=told)
    shop.happens(metric_names.OPENED, "2026-10-20T10:00:00", told=told)
    shop.happens(metric_names.OPENED, "2026-10-20T11:00:00", told=told, visible_at=2**40)
    assert shop.values("opens") == {"opens": 1.0}
    shop.sandbox.store.release_events()
    assert shop.values("opens") == {"opens": 2.0}


def test_days_are_the_account_s_whatever_offset_is_given(shop: Shop) -> None:
    told: dict[str, Any] = {"$message": shop.campaign()}
    shop.happens(metric_names.RECEIVED, "2026-10-20T00:00:00", told=told)
    odd = {"start": "2026-10-20T00:00:00-11:00", "end": "2026-10-21T00:00:00+14:00"}
    assert shop.values("delivered") == shop.values("delivered", timeframe=odd) == {"delivered": 1.0}
    before = {"start": "2026-10-19T00:00:00Z", "end": "2026-10-20T00:00:00Z"}
    assert shop.values("delivered", timeframe=before) == {}


def test_groupings_are_those_asked_for_and_filters_apply_to_all(shop: Shop) -> None:
    mail, text, push = shop.campaign("Mail ü"), shop.campaign("Text", "sms"), shop.campaign("Push", "mobile_push")
    at = "2026-10-20T09:00:00"
    shop.happens(metric_names.RECEIVED, at, told={"$message": mail})
    shop.happens(metric_names.NEW_SMS, at, told={"$message": text})
    shop.happens(metric_names.PUSH, at, told={"$message": push})
    shop.happens(metric_names.RECEIVED, at, told={"$message": "FM", "$flow": "FL", "Campaign Name": "Welcome"})
    found = [row["groupings"] for row in shop.rows()]
    assert {(row["campaign_message_id"], row["send_channel"]) for row in found} == {
        (mail, "email"),
        (text, "sms"),
        (push, "push-notification"),
    }
    campaign = shop.sandbox.store.get(CampaignMessage, mail)
    assert campaign
    group_by = ["campaign_message_name", "campaign_message_id", "campaign_id"]
    assert shop.rows(group_by=group_by, filter=f'and(equals(campaign_id,"{campaign.campaign_id}"))') == [
        {
            "groupings": {
                "campaign_message_name": "Mail ü",
                "campaign_message_id": mail,
                "campaign_id": campaign.campaign_id,
            },
            "statistics": {"opens": 0.0},
        }
    ]
    channels = 'contains-any(send_channel,["sms","whatsapp"])'
    assert [row["groupings"]["campaign_message_id"] for row in shop.rows(filter=channels)] == [text]
    assert shop.rows("flow", group_by=["flow_id", "flow_message_id", "flow_message_name", "send_channel"]) == [
        {
            "groupings": {
                "flow_id": "FL",
                "flow_message_id": "FM",
                "flow_message_name": "Welcome",
                "send_channel": "email",
            },
            "statistics": {"opens": 0.0},
        }
    ]
    assert shop.rows("flow", filter='equals(flow_id,"other")') == []


def test_pages_follow_links_next_with_the_same_body(shop: Shop) -> None:
    messages = {shop.campaign(f"Campaign {number}") for number in range(2 * RESULTS_PER_PAGE + 1)}
    for message in messages:
        shop.happens(metric_names.RECEIVED, "2026-10-20T09:00:00", told={"$message": message})
    seen: list[str] = []
    query = ""
    for size in (RESULTS_PER_PAGE, RESULTS_PER_PAGE, 1):
        document = shop.ask("campaign", query).json()
        results = document["data"]["attributes"]["results"]
        assert len(results) == size
        seen += [row["groupings"]["campaign_message_id"] for row in results]
        link = document["links"]["next"]
        if link:
            assert "page_cursor=" in link
            query = "?" + link.partition("?")[2]
    assert link is None
    assert (len(seen), set(seen)) == (len(messages), messages)
    assert shop.ask("campaign", query).ok
    other = shop.ask("campaign", query, timeframe=NEXT_DAY)
    assert (other.status_code, other.json()["errors"][0]["source"]) == (400, {"parameter": "page_cursor"})
    assert shop.ask("campaign", "?page_cursor=nonsense").status_code == 400
    assert shop.ask("campaign", "?page[cursor]=x").json()["errors"][0]["source"] == {"parameter": "page_cursor"}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"statistics": []}, "statistics"),
        ({"statistics": ["opens", "sales"]}, "statistics/1"),
        ({"conversion_metric_id": "NOPE01"}, "conversion_metric_id"),
        ({"timeframe": {"key": "last_8_days"}}, "timeframe/key"),
        ({"timeframe": {"key": "today", **DAY}}, "timeframe"),
        ({"timeframe": {}}, "timeframe/start"),
        ({"timeframe": {"start": DAY["start"]}}, "timeframe/end"),
        ({"timeframe": {**DAY, "start": "2026-10-20T00:00:00"}}, "timeframe/start"),
        ({"timeframe": {**DAY, "end": "tomorrow"}}, "timeframe/end"),
        ({"timeframe": {"start": DAY["end"], "end": DAY["start"]}}, "timeframe"),
        ({"timeframe": {"start": "2024-02-29T00:00:00Z", "end": "2025-03-01T00:00:01Z"}}, "timeframe"),
        ({"group_by": ["campaign_id"]}, "group_by"),
        ({"group_by": ["campaign_id", "campaign_message_id", "flow_id"]}, "group_by/2"),
        ({"group_by": ["campaign_id", "campaign_message_id", "variation"]}, "group_by/2"),
        ({"filter": 'contains(campaign_id,"x")'}, "filter"),
        ({"filter": 'equals(weather,"rain")'}, "filter"),
        ({"filter": 'equals(send_channel,"fax")'}, "filter"),
        ({"filter": 'equals(campaign_id,"x"),equals(campaign_id,"y")'}, "filter"),
        ({"filter": "contains-any(campaign_id,[])"}, "filter"),
        ({"filter": f"contains-any(campaign_id,{['x'] * 101})"}, "filter"),
        ({"interval": "daily"}, "interval"),
    ],
)
def test_what_is_refused(shop: Shop, attributes: dict[str, Any], pointer: str) -> None:
    response = shop.ask(**attributes)
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["source"] == {"pointer": f"/data/attributes/{pointer}"}


def test_a_year_is_not_too_long(shop: Shop) -> None:
    assert shop.ask(timeframe={"start": "2024-02-29T00:00:00Z", "end": "2025-03-01T00:00:00Z"}).ok


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [  # now is Monday, 2 November 2026
        ("today", "2026-11-02", "2026-11-03"),
        ("yesterday", "2026-11-01", "2026-11-02"),
        ("this_week", "2026-11-02", "2026-11-03"),
        ("last_week", "2026-10-26", "2026-11-02"),
        ("last_7_days", "2026-10-27", "2026-11-03"),
        ("last_30_days", "2026-10-04", "2026-11-03"),
        ("last_90_days", "2026-08-05", "2026-11-03"),
        ("last_365_days", "2025-11-03", "2026-11-03"),
        ("this_month", "2026-11-01", "2026-11-03"),
        ("last_month", "2026-10-01", "2026-11-01"),
        ("last_3_months", "2026-08-01", "2026-11-01"),
        ("last_12_months", "2025-11-01", "2026-11-01"),
        ("this_year", "2026-01-01", "2026-11-03"),
        ("last_year", "2025-01-01", "2026-01-01"),
    ],
)
def test_which_days_a_key_means(key: Any, first: str, last: str) -> None:  # noqa: ANN401 - one of the literals
    found = span(Timeframe(key=key), datetime(2026, 11, 1, 23, 30, tzinfo=UTC), COPENHAGEN)
    assert [each.isoformat() for each in (found.start.date(), found.end.date())] == [first, last]
    assert found.start == datetime.fromisoformat(first).replace(tzinfo=COPENHAGEN)


def test_the_quota_of_reports_is_one_a_second_two_a_minute_and_225_a_day(clock: Clock) -> None:
    with Sandbox(profiles=1, events=0, segments=0, clock=clock, rate_limits="real") as sandbox:
        metric = sandbox.store.metric_named(metric_names.ORDERED, "api")
        assert metric
        asked = {"statistics": ["opens"], "timeframe": DAY, "conversion_metric_id": metric.id}
        body = {"data": {"type": "campaign-values-report", "attributes": asked}}
        headers = {"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"}

        def ask() -> requests.Response:
            return requests.post(
                f"{sandbox.url}/api/campaign-values-reports", json=body, headers=headers, timeout=5
            )

        first = ask()
        assert first.headers["RateLimit-Limit"] == "1, 1;w=1, 2;w=60, 225;w=86400"
        assert [first.status_code, ask().status_code] == [200, 429]
        clock.advance(1)
        assert ask().status_code == 200
        clock.advance(1)
        third = ask()
        assert (third.status_code, third.headers["Retry-After"]) == (429, "58")


def test_faults_can_be_aimed_at_reports(shop: Shop) -> None:
    for number in range(RESULTS_PER_PAGE + 1):
        shop.happens(metric_names.RECEIVED, "2026-10-20T09:00:00", told={"$message": shop.campaign(f"{number}")})
    name = "query_campaign_values"
    faults = (Status(operation=name), Throttle(operation=name, nth=2), ExpiredCursor(operation=name))
    shop.sandbox.faults.add(*faults)
    assert shop.ask("flow").ok
    assert [shop.ask().status_code for _ in range(2)] == [503, 429]
    query = "?" + shop.ask().json()["links"]["next"].partition("?")[2]
    assert [shop.ask("campaign", query).status_code for _ in range(2)] == [400, 200]
