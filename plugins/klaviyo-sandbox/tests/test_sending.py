"""The play of a send, seen through the events that a tap would read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox.model.records import (
    Campaign,
    CampaignMessage,
    Consent,
    ConsentState,
    Group,
    GroupKind,
    Membership,
    Profile,
    Suppression,
    SuppressionReason,
    Template,
)
from klaviyo_sandbox.seed import world
from klaviyo_sandbox.simulation.potential_outcomes import PotentialOutcomes
from klaviyo_sandbox.simulation.recorder import UnknownMetricError
from klaviyo_sandbox.simulation.rendered_messages import MessageRenderer, RenderedMessageError, read_message
from klaviyo_sandbox.simulation.rendering import CompiledTemplate, TemplateError
from klaviyo_sandbox.simulation.send_schedule import Timing
from klaviyo_sandbox.simulation.sending import SendError, Summary, play
from klaviyo_sandbox.simulation.truth import Effect, Noise, Rates, Truth, TruthError
from klaviyo_sandbox.state.campaigns import create_campaign
from klaviyo_sandbox.state.store import Store

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json

NOW = 1_790_000_000
SLOTS = {"hero": ("control", "bold", "calm"), "cta": ("control", "loud")}


def branch(slot: str, arm: str, mark: str) -> str:
    return f'<a href="https://shop.example/{arm}?a=1&amp;lf_cid=spring.{slot}.{mark}">{arm}</a>'


def slot(name: str, arms: Iterable[str]) -> str:
    """As generated templates have it: one branch for each arm, and the control's content again."""
    tests = "{% elif ".join(
        f"'spring:{name}:{arm}' in person|lookup:'lf_assignments' %}}{branch(name, arm, arm)}" for arm in arms
    )
    return f"{{% if {tests}{{% else %}}{branch(name, 'control', 'fb')}{{% endif %}}"


HTML = (
    "<html><head></head><body><p>Hi {{ first_name|default:'you' }}</p>"
    + "".join(slot(name, arms) for name, arms in SLOTS.items())
    + '<a href="https://shop.example/">Shop</a>{% unsubscribe %}</body></html>'
)
QUIET = Noise(bounce=0, machine_open=0, bot_click=0, background_order=0, late=0)


def person(number: int, assignments: object, **fields: object) -> Profile:
    known = {"email": f"p{number}@mail.example.net", "properties": {"lf_assignments": assignments}, **fields}
    return msgspec.structs.replace(Profile(id=f"P{number:06d}", created=NOW - 9, updated=NOW - 9), **known)


def crowd(size: int) -> Iterator[Profile]:
    """Every combination of arms equally often."""
    for number in range(size):
        hero, cta = SLOTS["hero"][number % 3], SLOTS["cta"][number // 3 % 2]
        yield person(number, [f"spring:cta:{cta}", f"spring:hero:{hero}"])


class Account:
    """A store with a segment `Audience` of the given people, and a campaign to send to it."""

    def __init__(self, people: Iterable[Profile], html: str = HTML, kind: GroupKind = GroupKind.SEGMENT) -> None:
        self.store = Store()
        world.populate(self.store, profiles=0, events=0, segments=0, seed=1, now=NOW)
        people = list(people)
        self.store.add_profiles(people)
        self.audience = Group(id="SEGMNT", kind=kind, name="Audience", created=NOW, updated=NOW)
        self.store.put(self.audience)
        self.store.add_members(Membership(self.audience.id, each.id, NOW) for each in people)
        template = Template(id="TMPLAT", name="lf_spring", html=html, created=NOW, updated=NOW)
        self.store.put(template)
        self.message = create_campaign(self.store, template, self.audience, name="Spring", at=NOW)

    def play(self, truth: Truth, timing: Timing | None = None, seed: int = 7) -> Summary:
        """By default all of the send has happened."""
        timing = timing or Timing(at=NOW, now=NOW + 1_000)
        return play(self.store, self.message.id, truth, timing, seed=seed)

    def events(self) -> list[Seen]:
        rows = self.store.read(
            "select events.id, metrics.name, profile_id, timestamp, attributes"
            " from events join metrics on metrics.id = metric_id order by events.id"
        )
        return [
            Seen(key, metric, profile_id, at, msgspec.json.decode(attributes)["event_properties"])
            for key, metric, profile_id, at, attributes in rows
        ]


class Seen(NamedTuple):
    id: str
    metric: str
    who: str
    at: int
    properties: Json


def who(events: Iterable[Seen], metric: str, keep: Callable[[Json], bool] = lambda _: True) -> set[str]:
    return {each.who for each in events if each.metric == metric and keep(each.properties)}


def human(properties: Json) -> bool:
    return not properties.get("machine_open") and not properties.get("Bot Click")


# --- what is measured converges to the truth ---

LIFTS = Truth(
    baseline=Rates(open=0.4, click=0.12, order=0.05, unsubscribe=0.03, order_value=50),
    noise=Noise(bounce=0.02, machine_open=0.5, bot_click=0.2, background_order=0.1, late=0.1),
    effects=(
        Effect("spring.hero", "bold", "click", multiply=1.5),
        Effect("spring.hero", "bold", "order", multiply=1.5),
        Effect("spring.hero", "bold", "unsubscribe", add=0.02),
        Effect("spring.hero", "calm", "open", multiply=0.8),
        Effect("spring.hero", "calm", "order_value", multiply=1.6),
        Effect("spring.cta", "loud", "click", add=0.03),
    ),
)
SIZE = 18_000


class Measured(NamedTuple):
    """Per receiving profile: metric -> one number for each person, by the arms assigned in both slots."""

    outcomes: dict[tuple[str, str], dict[str, list[float]]]
    naive: dict[tuple[str, str], dict[str, list[float]]]
    summary: Summary
    account: Account


@pytest.fixture(scope="module")
def measured() -> Measured:
    account = Account(crowd(SIZE))
    summary = account.play(LIFTS)
    account.store.release_events()
    events = account.events()
    revenue: dict[str, float] = defaultdict(float)
    for event in events:
        if event.metric == "Placed Order":
            revenue[event.who] += event.properties["$value"]
    people = {
        "opened": who(events, "Opened Email", human),
        "clicked": who(events, "Clicked Email", human),
        "ordered": who(events, "Placed Order"),
        "unsubscribed": who(events, "Unsubscribed from Email Marketing"),
    }
    unfiltered = {"opened": who(events, "Opened Email"), "clicked": who(events, "Clicked Email")}
    outcomes: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    naive: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    arms = {each.id: each.properties["lf_assignments"] for each in crowd(SIZE)}
    for profile_id in sorted(who(events, "Received Email")):
        cta, hero = (token.split(":")[2] for token in arms[profile_id])
        for metric, those in people.items():
            outcomes[hero, cta][metric].append(profile_id in those)
        for metric, those in unfiltered.items():
            naive[hero, cta][metric].append(profile_id in those)
        outcomes[hero, cta]["revenue"].append(revenue[profile_id])
    return Measured(outcomes, naive, summary, account)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def error(values: list[float]) -> float:
    """Standard error of the mean."""
    middle = mean(values)
    return sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1) / len(values))


@pytest.mark.parametrize("metric", ["opened", "clicked", "ordered", "revenue", "unsubscribed"])
@pytest.mark.parametrize("hero", SLOTS["hero"])
@pytest.mark.parametrize("cta", SLOTS["cta"])
def test_every_combination_of_arms_measures_what_the_truth_says(
    measured: Measured, hero: str, cta: str, metric: str
) -> None:
    values = measured.outcomes[hero, cta][metric]
    expected = getattr(LIFTS.expected({"spring.hero": hero, "spring.cta": cta}), metric)

    assert len(values) > 0.95 * SIZE / 6
    assert abs(mean(values) - expected) < 4 * error(values)


@pytest.mark.parametrize(
    ("arm", "metric"),
    [("bold", "clicked"), ("bold", "ordered"), ("bold", "unsubscribed"), ("calm", "opened"), ("calm", "revenue")],
)
def test_the_effect_of_each_arm_is_recovered_within_its_error(measured: Measured, arm: str, metric: str) -> None:
    def of(hero: str) -> list[float]:
        return [value for cta in SLOTS["cta"] for value in measured.outcomes[hero, cta][metric]]

    def truly(hero: str) -> float:
        return mean(
            [getattr(LIFTS.expected({"spring.hero": hero, "spring.cta": c}), metric) for c in SLOTS["cta"]]
        )

    difference, true_difference = mean(of(arm)) - mean(of("control")), truly(arm) - truly("control")

    spread = sqrt(error(of(arm)) ** 2 + error(of("control")) ** 2)
    assert abs(difference - true_difference) < 4 * spread
    assert abs(difference) > 2 * spread, "the test is large enough to see the effect at all"


def test_machines_dilute_what_is_not_filtered(measured: Measured) -> None:
    for arms, values in measured.naive.items():
        hero, cta = arms
        rates = LIFTS.rates({"spring.hero": hero, "spring.cta": cta})
        diluted = {"opened": 1 - (1 - rates.open) * 0.5, "clicked": 1 - (1 - rates.click) * 0.8}
        for metric, expected in diluted.items():
            assert abs(mean(values[metric]) - expected) < 4 * error(values[metric])
            assert mean(values[metric]) > mean(measured.outcomes[arms][metric]) + 0.1


def test_the_summary_agrees_with_the_store(measured: Measured) -> None:
    summary, store = measured.summary, measured.account.store
    events = measured.account.events()

    assert Counter(each.metric for each in events) == summary.events
    assert store.count("events") == sum(summary.events.values())
    assert summary.audience == SIZE == summary.people.received + summary.bounced
    assert summary.people.received == len(who(events, "Received Email"))
    assert summary.bounced == len(who(events, "Bounced Email"))
    assert summary.people.opened_by_machine == len(who(events, "Opened Email", lambda it: not human(it)))
    assert summary.people.clicked_by_bot == len(who(events, "Clicked Email", lambda it: not human(it)))
    assert summary.people.marked_as_spam == len(who(events, "Marked Email as Spam"))
    for slot_name, arms in SLOTS.items():
        assert set(summary.arms[f"spring.{slot_name}"]) == set(arms)
        assert (
            sum(each.received for each in summary.arms[f"spring.{slot_name}"].values()) == summary.people.received
        )
    for hero, people in summary.arms["spring.hero"].items():
        for metric in ("opened", "clicked", "ordered", "unsubscribed"):
            total = sum(sum(measured.outcomes[hero, cta][metric]) for cta in SLOTS["cta"])
            assert getattr(people, metric) == total
        revenue = sum(sum(measured.outcomes[hero, cta]["revenue"]) for cta in SLOTS["cta"])
        assert people.revenue == pytest.approx(revenue)


def test_nearly_the_stated_share_of_events_is_late(measured: Measured) -> None:
    total = sum(measured.summary.events.values())

    assert abs(measured.summary.late / total - 0.1) < 4 * sqrt(0.09 / total)


# --- potential outcomes ---

shares = st.floats(0, 1)
rates = st.builds(Rates, shares, shares, shares, shares, shares, st.floats(1, 1000))


@given(seed=st.integers(0, 2**32), profile_id=st.text(min_size=1), low=rates, high=rates)
def test_luck_stays_whatever_is_shown(seed: int, profile_id: str, low: Rates, high: Rates) -> None:
    """A higher rate never takes an outcome away from anybody, and machines do not care."""
    truth = Truth(noise=Noise(machine_open=0.5, bot_click=0.5, background_order=0.5))
    ordered = {each: sorted((getattr(low, each), getattr(high, each))) for each in Rates.__struct_fields__}
    below, above = (Rates(**{name: pair[i] for name, pair in ordered.items()}) for i in (0, 1))

    outcomes = PotentialOutcomes(seed, profile_id)
    less, more = (outcomes.response(truth, each, has_links=True) for each in (below, above))

    for outcome in ("opened", "clicked", "unsubscribed", "marked_as_spam"):
        assert getattr(less, outcome) <= getattr(more, outcome)
    assert sum(less.orders) <= sum(more.orders)
    assert (less.opened_by_machine, less.clicked_by_bot) == (more.opened_by_machine, more.clicked_by_bot)


def test_who_orders_clicked_and_who_clicked_opened() -> None:
    account = Account(crowd(1_500))
    account.play(Truth(baseline=Rates(open=0.6, click=0.3, order=0.15), noise=QUIET))
    events = account.events()

    assert who(events, "Placed Order") < who(events, "Clicked Email") < who(events, "Opened Email")


def test_another_seed_is_another_luck_and_the_same_seed_the_same() -> None:
    truth = Truth(noise=Noise(late=0))
    same = [Account(crowd(300)) for _ in range(2)]
    for account in same:
        account.play(truth)
    other = Account(crowd(300))
    other.play(truth, seed=8)

    assert same[0].events() == same[1].events()
    assert who(other.events(), "Opened Email") != who(same[0].events(), "Opened Email")


def test_adding_a_profile_changes_nobody_else() -> None:
    truth = Truth(noise=Noise(late=0))
    few, many = Account(crowd(200)), Account([*crowd(200), *(person(n, []) for n in range(200, 300))])
    few.play(truth)
    many.play(truth)

    known = {each.id for each in crowd(200)}
    assert [each for each in many.events() if each.who in known] == few.events()


def test_a_second_send_to_the_same_people_has_events_of_its_own() -> None:
    account = Account(crowd(200))
    faithful = Truth(baseline=Rates(unsubscribe=0, spam=0), noise=Noise(bounce=0))
    first = account.play(faithful)
    template = account.store.template_named("lf_spring")
    assert template is not None
    account.message = create_campaign(account.store, template, account.audience, name="Again", at=NOW + 60)
    second = account.play(faithful, Timing(at=NOW + 60, now=NOW + 1_000))

    assert first.people == second.people, "luck depends on the seed and the profile, not on the message or the day"
    received = [each for each in account.events() if each.metric == "Received Email"]
    assert len({each.properties["$message"] for each in received}) == 2
    assert len({each.id for each in account.events()}) == len(account.events())


# --- what is rendered decides ---


def test_the_rendered_arm_counts_and_not_the_property() -> None:
    """`bold` multiplies clicks by 100; only who is really shown it clicks."""
    truth = Truth(
        baseline=Rates(click=0.01),
        noise=QUIET,
        effects=(Effect("spring.hero", "bold", "click", multiply=100),),
    )
    shown = [person(n, ["spring:hero:bold"]) for n in range(100)]
    misspelt = [person(n, ["spring:hero:Bold", "spring:hero:bold "]) for n in range(100, 200)]
    other_form = [person(n, {"spring.hero": "bold"}) for n in range(200, 300)]
    nothing = [person(n, None) for n in range(300, 400)]
    account = Account([*shown, *misspelt, *other_form, *nothing])

    summary = account.play(truth)

    hero = summary.arms["spring.hero"]
    assert {arm: each.received for arm, each in hero.items()} == {"bold": 100, "fb": 300}
    assert hero["bold"].clicked == 100
    assert hero["fb"].clicked < 12
    clicked = [
        each for each in account.events() if each.metric == "Clicked Email" and "hero" in each.properties["URL"]
    ]
    for event in clicked:
        arm = "bold" if event.who < "P000100" else "fb"
        assert event.properties["URL"].endswith(f"?a=1&lf_cid=spring.hero.{arm}"), (
            "the link as a browser follows it"
        )


def test_the_fallback_does_what_the_control_does() -> None:
    controls = Account(person(n, ["spring:hero:control", "spring:cta:control"]) for n in range(500))
    fallbacks = Account(person(n, []) for n in range(500))
    truth = Truth(effects=(Effect("spring.hero", "bold", "click", multiply=3),))

    as_control, as_fallback = controls.play(truth), fallbacks.play(truth)

    assert as_control.people == as_fallback.people
    assert as_control.arms["spring.hero"]["control"] == as_fallback.arms["spring.hero"]["fb"]


def test_a_message_without_links_is_not_clicked() -> None:
    account = Account(crowd(50), html="<html><head></head><body>Hello {% unsubscribe %}</body></html>")

    summary = account.play(Truth(baseline=Rates(open=1, click=1), noise=Noise(bot_click=1)))

    assert summary.people.opened == summary.people.received > 0
    assert (summary.people.clicked, summary.people.clicked_by_bot, summary.arms) == (0, 0, {})
    assert "Clicked Email" not in summary.events


@pytest.mark.parametrize(
    ("html", "links", "arms"),
    [
        ('<a href="https://s.example/?lf_cid=e.s.a&amp;x=1">', ["https://s.example/?lf_cid=e.s.a&x=1"],
         {"e.s": "a"}),
        ("<A HREF = 'http://s.example/?x=1&lf_cid=e.s.fb#top'>", ["http://s.example/?x=1&lf_cid=e.s.fb#top"],
         {"e.s": "fb"}),
        ('<a href="https://s.example/?lf_cid=e.s.a"><a href="https://s.example/?lf_cid=e.t.b">' * 2,
         ["https://s.example/?lf_cid=e.s.a", "https://s.example/?lf_cid=e.t.b"], {"e.s": "a", "e.t": "b"}),
        ('<a href="mailto:a@b.example"><a data-href="https://s.example"><link href="https://s.example/?lf_cid=e.s.a">',
         [], {}),
    ],
)  # fmt: skip
def test_links_and_arms_are_read_from_the_mail(html: str, links: list[str], arms: dict[str, str]) -> None:
    message = read_message(html)

    assert list(message.links) == links
    assert message.arms == arms


def test_two_arms_of_one_slot_in_one_mail_are_an_error() -> None:
    with pytest.raises(RenderedMessageError, match=r"slot e.s: a and b"):
        read_message('<a href="https://s.example/?lf_cid=e.s.a"><a href="https://s.example/?lf_cid=e.s.b">')


def test_recipients_who_agree_are_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    renderings = Counter[str]()
    original = CompiledTemplate.render

    def counted(self: CompiledTemplate, context: Json, now: datetime) -> str:
        renderings["times"] += 1
        return original(self, context, now)

    monkeypatch.setattr(CompiledTemplate, "render", counted)
    renderer = MessageRenderer(HTML, datetime(2026, 1, 1, tzinfo=UTC))
    for profile in crowd(600):
        renderer.render(profile)

    assert renderings["times"] == 6, "one for each combination of arms"


# --- who gets it, and what it does to them ---


def test_who_cannot_be_mailed_receives_nothing_but_may_still_order() -> None:
    left = Consent(ConsentState.UNSUBSCRIBED, datetime.fromtimestamp(NOW - 9, UTC))
    account = Account(
        [
            person(0, []),
            person(1, [], email=None, phone_number="+12015550001"),
            person(2, [], email_marketing=left),
            person(3, []),
            person(4, []),
        ]
    )
    at = datetime.fromtimestamp(NOW - 9, UTC)
    account.store.suppress(
        [
            Suppression("P000003", SuppressionReason.HARD_BOUNCE, at),
            Suppression("P000004", SuppressionReason.USER_SUPPRESSED, at, "OTHERL"),
        ]
    )

    summary = account.play(Truth(noise=Noise(bounce=0, background_order=1, late=0)))

    events = account.events()
    assert summary.skipped == {"no_email": 1, "suppressed": 2}
    assert who(events, "Received Email") == {"P000000", "P000004"}, (
        "a suppression of one list is not one of a segment"
    )
    assert who(events, "Placed Order") == {f"P00000{n}" for n in range(5)}
    assert {each.metric for each in events if each.who in {"P000001", "P000002", "P000003"}} == {"Placed Order"}


def test_a_suppression_of_a_list_holds_for_that_list() -> None:
    account = Account([person(0, []), person(1, [])], kind=GroupKind.LIST)
    at = datetime.fromtimestamp(NOW - 9, UTC)
    account.store.suppress([Suppression("P000001", SuppressionReason.UNSUBSCRIBE, at, account.audience.id)])

    assert account.play(Truth(noise=QUIET)).skipped == {"suppressed": 1}


def test_excluded_audiences_are_left_out() -> None:
    account = Account(crowd(10))
    excluded = Group(id="EXCLUD", kind=GroupKind.LIST, name="Not them", created=NOW, updated=NOW)
    account.store.put(excluded)
    account.store.add_members(Membership(excluded.id, f"P00000{n}", NOW) for n in range(4))
    campaign = account.store.get(Campaign, account.message.campaign_id)
    assert campaign is not None
    audiences = {"included": [account.audience.id], "excluded": [excluded.id]}
    account.store.put(msgspec.structs.replace(campaign, audiences=audiences))

    assert account.play(Truth()).audience == 6


def test_leaving_complaining_and_bouncing_change_what_a_profile_may_get() -> None:
    account = Account(crowd(300))
    timing = Timing(at=NOW, duration=100, now=NOW + 1_000)
    account.play(Truth(baseline=Rates(unsubscribe=0.2, spam=0.2), noise=Noise(bounce=0.3, late=0)), timing)

    events = account.events()
    left = {each.who: each.at for each in events if each.metric == "Unsubscribed from Email Marketing"}
    hard = who(events, "Bounced Email", lambda it: it["Bounce Type"] == "Hard")
    reasons = defaultdict(set)
    for each in account.store.suppressions([each.id for each in crowd(300)]):
        reasons[each.reason].add(each.profile_id)
    assert reasons == {
        SuppressionReason.UNSUBSCRIBE: set(left),
        SuppressionReason.SPAM_COMPLAINT: who(events, "Marked Email as Spam"),
        SuppressionReason.HARD_BOUNCE: hard,
    }
    assert hard < who(events, "Bounced Email"), "soft bounces do not suppress"
    for profile_id, at in left.items():
        profile = account.store.profile(profile_id)
        assert profile is not None
        assert profile.email_marketing == Consent(ConsentState.UNSUBSCRIBED, datetime.fromtimestamp(at, UTC))
        assert profile.updated == NOW + 1_000


def test_the_campaign_is_sent_and_its_message_says_when() -> None:
    account = Account(crowd(3))
    account.play(Truth())

    campaign, message = (
        account.store.get(Campaign, account.message.campaign_id),
        account.store.get(CampaignMessage, account.message.id),
    )
    assert campaign is not None
    assert message is not None
    assert (campaign.status, campaign.send_time) == ("Sent", datetime.fromtimestamp(NOW, UTC))
    assert message.send_times == [{"datetime": "2026-09-21T14:13:20+00:00", "is_local": False}]
    assert message.template_id != "TMPLAT", "Klaviyo sends a copy"


# --- when ---


def test_all_is_dated_within_the_send_and_after_receipt() -> None:
    account = Account(crowd(500))
    busy = Truth(
        baseline=Rates(unsubscribe=0.3, order=0.04), noise=Noise(bot_click=0.3, background_order=0.3, late=0)
    )
    account.play(busy, Timing(at=NOW, duration=8, now=NOW + 8))

    events = account.events()
    received = {each.who: each.at for each in events if each.metric == "Received Email"}
    assert {each.at for each in events} == set(range(NOW, NOW + 8))
    for event in events:
        assert event.metric == "Bounced Email" or event.who not in received or event.at >= received[event.who]
    clicks = defaultdict(list)
    for event in events:
        if event.properties.get("Bot Click"):
            assert event.at - received[event.who] <= 3
            clicks[event.who].append(event.properties["URL"])
    assert {len(urls) for urls in clicks.values()} == {2, 3}, "scanners follow several links, each once"
    assert all(len(set(urls)) == len(urls) for urls in clicks.values())


def test_a_long_send_in_the_past_spreads_over_its_duration() -> None:
    account = Account(crowd(300))
    three_days = 72 * 3_600
    account.play(Truth(noise=Noise(late=0)), Timing(at=NOW - three_days, duration=three_days, now=NOW))

    moments = [each.at - NOW + three_days for each in account.events()]
    assert 0 <= min(moments) < max(moments) <= three_days
    assert max(moments) > 0.8 * three_days
    assert len(set(moments)) > 0.9 * len(moments)


def test_what_has_not_happened_yet_cannot_be_read() -> None:
    account = Account(crowd(300))
    summary = account.play(Truth(noise=Noise(late=0)), Timing(at=NOW, duration=8, now=NOW + 3))

    seen = account.events()
    assert max(each.at for each in seen) == NOW + 3
    assert len(seen) == sum(summary.events.values()) - summary.held
    account.store.release_events(NOW + 5)
    assert max(each.at for each in account.events()) == NOW + 5
    account.store.release_events(NOW + 8)
    assert len(account.events()) == sum(summary.events.values())


def test_late_events_come_after_the_send_and_keep_their_date() -> None:
    account = Account(crowd(300))
    summary = account.play(Truth(noise=Noise(late=0.3)), Timing(at=NOW, duration=8, now=NOW + 8, late_by=30))

    on_time = len(account.events())
    assert summary.held == summary.late > 0
    assert on_time == sum(summary.events.values()) - summary.late
    account.store.release_events(NOW + 8)
    assert len(account.events()) == on_time, "none before the end"
    account.store.release_events(NOW + 38)
    assert len(account.events()) == sum(summary.events.values())
    assert max(each.at for each in account.events()) <= NOW + 8


def test_changes_of_consent_are_never_in_the_future() -> None:
    account = Account(crowd(100))
    account.play(Truth(baseline=Rates(unsubscribe=0.5), noise=QUIET), Timing(at=NOW, duration=8, now=NOW))

    profiles = account.store.members_of(account.audience.id)
    changed = {each.email_marketing.changed_at for each in profiles}
    assert changed == {None, datetime.fromtimestamp(NOW, UTC)}


# --- how Klaviyo writes it ---


def test_event_properties_are_klaviyos() -> None:
    account = Account(crowd(400))
    summary = account.play(Truth(noise=Noise(late=0)))

    for event in account.events():
        told = event.properties
        if event.metric == "Placed Order":
            assert told["$value"] > 0
            assert "$message" not in told
            continue
        assert told["$message"] == summary.message_id
        assert told["$_cohort$message_send_cohort"] == f"{NOW}:{summary.message_id}"
        assert told["Campaign Name"] == told["Subject"] == "Spring"
        assert told["Email Domain"] == "mail.example.net"
        assert told["$group_ids"] == [account.audience.id]
        assert told["$event_id"].startswith(f"{summary.message_id}:")
        assert "$flow" not in told, "its absence says that this is a campaign"
        if event.metric in {"Opened Email", "Clicked Email"}:
            assert {"Client Name", "Client Type", "Client OS", "Client OS Family", "Client Canonical"} <= set(told)
    opened = [each.properties for each in account.events() if each.metric == "Opened Email"]
    assert {each.get("machine_open") for each in opened} == {True, False, None}
    clicked = [each.properties for each in account.events() if each.metric == "Clicked Email"]
    assert {each.get("Bot Click") for each in clicked} == {True, False, None}


def test_a_summary_can_be_answered_as_json(measured: Measured) -> None:
    answer = msgspec.json.decode(msgspec.json.encode(measured.summary))

    assert answer["arms"]["spring.hero"]["bold"]["received"] > 0
    assert answer["events"]["Received Email"] == answer["people"]["received"]


# --- what cannot be sent changes nothing ---


def refused(html: str, truth: Truth, error: type[Exception], message: str) -> None:
    account = Account([*crowd(3), person(9, None, properties={"Points": [1]})], html=html)
    with pytest.raises(error, match=message):
        account.play(truth)
    campaign = account.store.get(Campaign, account.message.campaign_id)
    assert campaign is not None
    assert campaign.status == "Scheduled"
    assert account.store.count("events") == 0


@pytest.mark.parametrize("arm", ["blod", "bol", "bold2"])
def test_an_effect_that_no_link_can_show_is_refused(arm: str) -> None:
    effects = (Effect("spring.hero", arm, "click", multiply=2),)
    refused(HTML, Truth(effects=effects), TruthError, rf"effect of spring.hero.{arm}, which no link")


def test_a_template_of_another_language_is_refused() -> None:
    refused("{% assign x = 1 %}", Truth(), TemplateError, "assign")


def test_a_template_that_fails_for_one_recipient_is_refused() -> None:
    refused("{{ person.Points|divisibleby:2 }}", Truth(noise=QUIET), TemplateError, "int")


def test_a_mail_with_two_arms_of_a_slot_is_refused() -> None:
    html = branch("hero", "bold", "bold") + branch("hero", "calm", "calm")
    refused(html, Truth(noise=QUIET), RenderedMessageError, "two arms of slot spring.hero")


def test_a_message_without_template_is_refused() -> None:
    account = Account(crowd(3))
    account.store.put(msgspec.structs.replace(account.message, template_id=None))

    with pytest.raises(SendError, match="needs a campaign and an assigned template"):
        account.play(Truth())


def test_an_account_without_metrics_is_refused() -> None:
    account = Account(crowd(3))
    account.store.read("delete from metrics")

    with pytest.raises(UnknownMetricError, match="no metric 'Received Email' of 'klaviyo'"):
        account.play(Truth(noise=QUIET))
