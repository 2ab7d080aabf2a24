"""Which identifier counts is a setting; a record is never known by two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from target_klaviyo_profiles.errors import ConfigurationError
from target_klaviyo_profiles.identifiers import PRECEDENCE, Key
from target_klaviyo_profiles.rows import Rejected
from target_klaviyo_profiles.sinks.events import Events
from target_klaviyo_profiles.sinks.options import Options
from target_klaviyo_profiles.sinks.profiles import Profiles
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.base import Sink

WHO: Mapping[str, str] = {
    "id": "01JCX0A2MZ",
    "external_id": "crm-1",
    "email": "Ada@lovelace.org",
    "phone_number": "+4531231231",
}
EVENT = {"metric": "Came in", "time": "2026-01-01T00:00:00+00:00"}
ORDERS = [order for length in (1, 2, 4) for order in permutations(PRECEDENCE, length)]


def _who(sink: type[Sink], order: Sequence[str], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The identifiers that are sent of a record."""
    made = sink(Options(identifier_precedence=tuple(order)))
    given = dict(record)
    resource = made.to_resource(given, made.identify(given))
    assert resource is not None
    body = resource.body
    if sink is Events:
        body = body["attributes"]["profile"]["data"]
    sent = {**body["attributes"], **({"id": body["id"]} if "id" in body else {})}
    return {name: value for name, value in sent.items() if name in PRECEDENCE}


@pytest.mark.parametrize("order", ORDERS)
def test_the_first_that_a_record_has_is_sent_and_no_other(order: Sequence[str]) -> None:
    for start in range(len(order)):
        given = {name: WHO[name] for name in order[start:]}
        assert _who(Profiles, order, {**given, "title": "Dr"}) == {order[start]: WHO[order[start]]}
        event = {("profile_id" if name == "id" else name): value for name, value in given.items()}
        assert _who(Events, order, {**EVENT, **event}) == {order[start]: WHO[order[start]]}


@pytest.mark.parametrize("sink", [Profiles, Events])
def test_an_identifier_that_is_not_named_is_none(sink: type[Sink]) -> None:
    made = sink(Options(identifier_precedence=("email",)))
    with pytest.raises(Rejected) as refused:
        made.identify({**EVENT, "external_id": "crm-1"})
    assert (refused.value.reason.code, refused.value.reason.detail) == (
        "no_identifier",
        "the record has no `email`",
    )


def test_without_the_setting_klaviyos_own_order_counts() -> None:
    assert Profiles().identify(dict(WHO)) == Key("id", WHO["id"])


@pytest.mark.parametrize("value", [["e-mail"], "email", [1]])
def test_a_wrong_order_is_a_wrong_setting(value: object) -> None:
    config = {"api_key": "pk_test_0123456789", "identifier_precedence": value}
    with pytest.raises(ConfigurationError, match="identifier_precedence"):
        TargetKlaviyoProfiles(config=config, parse_env_config=False)


@pytest.mark.parametrize("order", [PRECEDENCE, ("email", "phone_number")])
def test_records_that_lost_an_identifier_are_counted(order: tuple[str, ...]) -> None:
    sink = Profiles(Options(identifier_precedence=order))
    for record in ({name: WHO[name]} for name in order):
        sink.row({**record, "title": "Dr"})
    sink.row({order[0]: WHO[order[0]], order[1]: "  "})
    with pytest.raises(Rejected):
        sink.row({order[0]: WHO[order[0]], order[1]: WHO[order[1]], "properties": {"a": 1}, "unset": ["a"]})
    assert sink.remarks() == []
    sink.row({**{name: WHO[name] for name in order}, "title": "Dr"})
    [remark] = sink.remarks()
    assert remark.startswith("of 1 record with several of ")
    sink.row({order[-2]: WHO[order[-2]], order[-1]: WHO[order[-1]], "title": "Dr"})
    [remark] = sink.remarks()
    assert remark == (
        f"of 2 records with several of {', '.join(f'`{name}`' for name in order)} only the first was sent, "
        "since several can merge profiles; `further_identifiers` gives a profile those that it lacks"
    )


def test_only_a_run_with_such_records_tells_of_them(
    load: Callable[..., Any], messages: Callable[..., list[dict[str, Any]]]
) -> None:
    """The schema alone says nothing: a publish model has all columns, and most rows one identifier."""
    one = [{"email": "ada@shop.co", "phone_number": None}, {"email": None, "phone_number": "+14155552671"}]
    assert "only the first was sent" not in load(messages(one)).log
    both = load(messages([*one, {"email": "bob@shop.co", "phone_number": "+14155552672"}]))
    told = [line for line in both.log.splitlines() if "only the first was sent" in line]
    assert len(told) == 1
    assert "profiles: of 1 record with several of `id`, `external_id`, `email`, `phone_number`" in told[0]
