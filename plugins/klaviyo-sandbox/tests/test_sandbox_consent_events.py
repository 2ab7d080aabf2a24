"""What Klaviyo writes down when consent changes: once per change, and of text messages under two names."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klaviyo_sandbox.model.records import ConsentState, Group, GroupKind, Metric, Profile
from klaviyo_sandbox.model.webhook_topics import KLAVIYO_TOPICS, topic_of

if TYPE_CHECKING:
    import requests

    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Way = Literal["create", "delete"]
WORDS = {"create": "subscribed_to", "delete": "unsubscribed_from"}


def consent(sandbox: Sandbox, api: requests.Session, way: Way, *channels: str, **who: object) -> None:
    """Subscribe or unsubscribe somebody, which has taken effect afterwards."""
    state, list_id = {"create": "SUBSCRIBED", "delete": "UNSUBSCRIBED"}[way], who.pop("list_id", None)
    asked = {each: {"marketing": {"consent": state}} for each in channels}
    row = {"type": "profile", "attributes": {**who, "subscriptions": asked}}
    kind = f"profile-subscription-bulk-{way}-job"
    data: Json = {"type": kind, "attributes": {"profiles": {"data": [row]}}}
    if list_id:
        data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    response = api.post(f"/api/{kind}s", json={"data": data})
    assert response.status_code == 202, response.text
    sandbox.settle()


def suppress(sandbox: Sandbox, api: requests.Session, way: Way, email: str) -> None:
    kind = f"profile-suppression-bulk-{way}-job"
    rows = [{"type": "profile", "attributes": {"email": email}}]
    data = {"type": kind, "attributes": {"profiles": {"data": rows}}}
    response = api.post(f"/api/{kind}s", json={"data": data})
    assert response.status_code == 202, response.text
    sandbox.settle()


def written(sandbox: Sandbox) -> list[str]:
    """The topics of what was written since the account was filled, without what all of them begin with."""
    topics = {each.id: topic_of(each) for each in sandbox.store.find(Metric)}
    found = [topics[row[2]] for row in sandbox.store.recorded_after(0)]
    assert set(found) <= KLAVIYO_TOPICS, "an account has these topics, recorded"
    return [each.removeprefix("event:klaviyo.") for each in found]


@pytest.fixture
def ada(sandbox: Sandbox) -> Profile:
    sandbox.consents.default_opt_in = "single_opt_in"
    ada = Profile(id="ADA", email="ada@shop.example", phone_number="+4520000001", created=1, updated=1)
    sandbox.store.add_profiles([ada])
    return ada


@pytest.fixture
def club(sandbox: Sandbox) -> str:
    sandbox.store.put(Group(id="CLUB", kind=GroupKind.LIST, name="Club 🌱", created=1, updated=1))
    return "CLUB"


def test_each_change_is_written_once(sandbox: Sandbox, api: requests.Session, ada: Profile) -> None:
    for way in ("create", "create", "delete", "delete", "create"):
        consent(sandbox, api, way, "email", email=ada.email)
    subscribed, unsubscribed = "subscribed_to_email_marketing", "unsubscribed_from_email_marketing"
    assert written(sandbox) == [subscribed, unsubscribed, subscribed]


def test_an_event_tells_what_is_recorded_of_one(sandbox: Sandbox, api: requests.Session, ada: Profile) -> None:
    consent(sandbox, api, "delete", "email", email=ada.email)
    ((key, profile_id, _, _),) = sandbox.store.recorded_after(0)
    assert profile_id == ada.id
    told = api.get(f"/api/events/{key}").json()["data"]["attributes"]
    assert told["timestamp"] == sandbox.clock.seconds()
    assert told["event_properties"] == {
        "method": "API",
        "method_detail": "",
        "email_address": ada.email,
        "$event_id": key,
    }
    shown = sandbox.store.profile(ada.id)
    assert shown is not None
    assert shown.last_event_date == shown.updated == sandbox.clock.seconds()
    assert shown.email_marketing.state is ConsentState.UNSUBSCRIBED


@pytest.mark.parametrize("way", ["create", "delete"])
@pytest.mark.usefixtures("ada")
def test_text_messages_have_two_names(sandbox: Sandbox, api: requests.Session, way: Way) -> None:
    """Who asks for one of them misses half."""
    for number in range(24):
        consent(sandbox, api, way, "sms", phone_number=f"+45300000{number:02}")
    found = Counter(written(sandbox))
    assert set(found) == {f"{WORDS[way]}_sms_marketing", f"{WORDS[way]}_text_messaging_marketing"}
    assert found.total() == 24
    assert min(found.values()) > 4


def test_a_list_is_joined_and_left(sandbox: Sandbox, api: requests.Session, ada: Profile, club: str) -> None:
    """Left by the list alone, as who is in it is unsubscribed from nothing else."""
    for way in ("create", "create", "delete"):
        consent(sandbox, api, way, "email", email=ada.email, list_id=club)
    assert written(sandbox) == ["subscribed_to_email_marketing", "subscribed_to_list", "unsubscribed_from_list"]
    for row in sandbox.store.recorded_after(1):
        properties = api.get(f"/api/events/{row[0]}").json()["data"]["attributes"]["event_properties"]
        assert properties["List"] == "Club 🌱"
    consent(sandbox, api, "delete", "email", email=ada.email, list_id=club)
    assert written(sandbox)[3:] == ["unsubscribed_from_email_marketing"], "who is not in it leaves everything"


def test_nobody_is_subscribed_before_the_mail_is_answered(
    sandbox: Sandbox, api: requests.Session, ada: Profile
) -> None:
    sandbox.consents.default_opt_in = "double_opt_in"
    consent(sandbox, api, "create", "email", email=ada.email)
    assert written(sandbox) == []
    assert sandbox.confirm("ada@shop.example") == 1
    assert written(sandbox) == ["subscribed_to_email_marketing"]


def test_a_suppression_by_hand_and_its_lifting(sandbox: Sandbox, api: requests.Session, ada: Profile) -> None:
    assert ada.email
    for way in ("delete", "create", "create", "delete", "delete"):
        suppress(sandbox, api, way, ada.email)
    assert written(sandbox) == [
        "manually_suppressed_from_email_marketing",
        "manually_unsuppressed_from_email_marketing",
    ]


def test_no_topic_is_no_event(sandbox: Sandbox, api: requests.Session, ada: Profile) -> None:
    consent(sandbox, api, "create", "whatsapp", phone_number=ada.phone_number)
    assert written(sandbox) == []


CHANGES = st.tuples(st.sampled_from(["create", "delete"]), st.sampled_from(["email", "sms"]))


@given(changes=st.lists(CHANGES, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_leads_to_what_holds(
    sandbox: Sandbox, api: requests.Session, ada: Profile, changes: list[tuple[Way, str]]
) -> None:
    def state(channel: str) -> ConsentState:
        held: ConsentState = getattr(sandbox.store.profile(ada.id), f"{channel}_marketing").state
        return held

    before, expected = len(written(sandbox)), list[tuple[str, str]]()
    for way, channel in changes:
        held = state(channel)
        address = {"email": ada.email} if channel == "email" else {"phone_number": ada.phone_number}
        consent(sandbox, api, way, channel, **address)
        if state(channel) is not held:
            expected.append((WORDS[way], channel))
    found = [
        re.findall(r"^(subscribed_to|unsubscribed_from)_(email|sms|text)", each)[0] for each in written(sandbox)
    ]
    assert [(what, channel.replace("text", "sms")) for what, channel in found[before:]] == expected
