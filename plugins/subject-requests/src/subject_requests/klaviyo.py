"""What Klaviyo holds of a person: what is not told ends the export, and a missing scope is an omission."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from klaviyo_wire import jsonapi
from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.errors import MissingScope, NotFound
from klaviyo_wire.filters import Operator
from klaviyo_wire.ratelimit import Governor
from klaviyo_wire.sessions import session_of
from singer_program.errors import ProgramError
from singer_program.identifiers import Identifier, compared
from subject_requests.moments import moment_in
from subject_requests.person import Person, identifiers_of
from subject_requests.privacy_request import LISTS, MARKETING, SMS

if TYPE_CHECKING:
    from subject_requests.settings import RequestSettings

Json = dict[str, Any]
PACKAGE = "subject-requests"
INFERRED = "predictive_analytics"
"""The category of what Klaviyo predicts of a person, and nobody told."""
_SUBSCRIPTIONS = "subscriptions"

COUPON_CODES = "coupon_codes"
OF_A_PROFILE = {
    "lists": "get_lists_for_profile",
    "segments": "get_segments_for_profile",
    "push_tokens": "get_push_tokens_for_profile",
    "conversations": "get_conversations_for_profile",
}
"""By category: what reads it of one profile, all at once."""
READ = ("profile", *OF_A_PROFILE, COUPON_CODES, "events")
"""What is read, each by requests of its own; it may be left out for reasons of its own."""


@dataclass
class Held:
    """What was read.

    Attributes:
        profiles: The profiles that match, by id.
        categories: Rows by category; each names its profile.
        omissions: By category: why it is not among them, or not as it is elsewhere.
        revisions: The API revisions that were spoken.
    """

    profiles: dict[str, Json] = field(default_factory=dict)
    categories: dict[str, list[Json]] = field(default_factory=dict)
    omissions: dict[str, str] = field(default_factory=dict)
    revisions: set[str] = field(default_factory=set)


class Klaviyo:
    """An account, read for one person.

    Args:
        client: Calls it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def profiles(self, person: Person) -> dict[str, Json]:
        """Every profile of the person that one of their identifiers matches, by id, whole.

        A number may be a household's: a profile that has one, and otherwise names somebody else, is theirs only
        where nothing but a number was given.

        Raises:
            KlaviyoError: Klaviyo cannot be asked.
            ProgramError: it did not tell what was asked.
        """
        return _theirs(self._matched(person), person)

    def _matched(self, person: Person) -> dict[str, Json]:
        found = {
            profile["id"]: profile
            for identifier in person.identifiers
            for profile in self._matching(identifier, person.spelled)
        }
        return dict(sorted(found.items()))

    @staticmethod
    def known(person: Person, profiles: Mapping[str, Json]) -> Person:
        """The person with what some profiles of theirs have.

        A number may be a household's: elsewhere only one that was given with the request is taken for theirs.
        """
        known = [each for profile in profiles.values() for each in identifiers_of(profile)]
        return person.knowing(each for each in known if each.kind != "phone_number")

    def is_there(self, identifier: Identifier, person: Person) -> bool:
        """Whether a profile of the person has one of their identifiers; asked in both ways, where it is an id."""
        if any(_is_theirs(profile, person) for profile in self._matching(identifier, person.spelled)):
            return True
        if identifier.kind != "id":
            return False
        try:
            self._client.call("get_profile", path={"id": identifier.value}, params={"fields[profile]": "created"})
        except NotFound:
            return False
        return True

    def left_of(self, person: Person, parts: Collection[str], asked_at: datetime | None) -> list[str]:
        """What the person is still on, or may still be written to by, though they asked to be taken off it.

        Whoever joined a list, or consented, after that did so anew.

        Args:
            person: Who asked.
            parts: What they asked for: `lists`, `sms`, `marketing`.
            asked_at: When; None: whatever there is counts.

        Raises:
            KlaviyoError: Klaviyo cannot be asked.
            ProgramError: it did not tell what was asked.
        """
        found: list[str] = []
        for key, profile in self.profiles(person).items():
            if LISTS in parts:
                lists = self._of_profile(OF_A_PROFILE["lists"], key)
                found += [f"list {each['id']}" for each in lists if self._was_on(each["id"], profile, asked_at)]
            found += [f"consent for {each}" for each in _consents(profile, parts, asked_at)]
            if MARKETING in parts and profile.get("email") and not _is_blocked(profile, asked_at):
                found.append("the address is not suppressed")
        return sorted(set(found))

    def _was_on(self, list_id: str, profile: Json, asked_at: datetime | None) -> bool:
        """Whether a profile that is on a list was so before; what is not told counts as before."""
        kind = next((each for each in ("email", "phone_number") if profile.get(each)), None)
        if kind is None or asked_at is None:
            return True
        params = {
            "filter": Operator.EQUALS(kind, profile[kind]),
            "fields[profile]": "joined_group_at",
            "page[size]": "100",
        }
        joined = [
            moment_in(jsonapi.lift(resource).get("joined_group_at"))
            for page in self._client.pages("get_profiles_for_list", path={"id": list_id}, params=params)
            for resource in jsonapi.resources(page)
            if resource["id"] == profile["id"]
        ]
        return not any(each is not None and each > asked_at for each in joined)

    def read(self, person: Person) -> tuple[Person, Held]:
        """Everything of a person, and the person as far as they are known then.

        Raises:
            KlaviyoError: Klaviyo cannot be asked for something.
            ProgramError: it did not tell what was asked.
        """
        matched = self._matched(person)
        held = Held(profiles=_theirs(matched, person))
        person = self.known(person, held.profiles)
        if of_others := len(matched) - len(held.profiles):
            held.omissions["profile"] = (
                f"{of_others:,} profiles have a number that was given and name somebody else: they may be of the "
                "same household. Give the address or id of one, if it is the person's"
            )
        held.revisions.add(ENDPOINTS["get_profiles"].revision)
        held.categories["profile"] = [
            {name: value for name, value in each.items() if name not in {_SUBSCRIPTIONS, INFERRED}}
            for each in held.profiles.values()
        ]
        for name in (_SUBSCRIPTIONS, INFERRED):
            held.categories[name] = [
                {"profile_id": key, **(each[name] or {})} for key, each in held.profiles.items()
            ]
        for category, operation in OF_A_PROFILE.items():
            self._put(held, category, partial(self._of_profile, operation))
        self._put(held, COUPON_CODES, self._coupon_codes)
        self._put(held, "events", self._events)
        if "events" in held.categories:
            held.categories["flow_enrolments"] = _enrolments(held.categories["events"])
        return person, held

    def _put(self, held: Held, category: str, read: Callable[[str], Iterator[Json]]) -> None:
        """Read a category of every profile: all of it, or none where the key may not."""
        try:
            held.categories[category] = [row for key in held.profiles for row in read(key)]
        except MissingScope as error:
            held.omissions[category] = str(error)

    def _matching(self, identifier: Identifier, spelled: Sequence[str]) -> Iterator[Json]:
        kind, value = identifier
        # Klaviyo does not document whether the filter ignores case.
        others = [each for each in spelled if kind == "email" and each != value and each.lower() == value]
        params = {
            "filter": Operator.ANY(kind, [value, *others]),
            "additional-fields[profile]": f"{_SUBSCRIPTIONS},{INFERRED}",
            "page[size]": "100",
        }
        for page in self._client.pages("get_profiles", params=params):
            for resource in jsonapi.resources(page):
                profile = jsonapi.lift(resource)
                theirs = profile["id"] if kind == "id" else profile.get(kind)
                if not isinstance(theirs, str) or compared(kind, theirs) != identifier:
                    message = f"Klaviyo answered a question for one {kind} with a profile of another: report it"
                    raise ProgramError(message)
                if missing := [each for each in (_SUBSCRIPTIONS, INFERRED) if each not in profile]:
                    message = f"Klaviyo did not tell `{missing[0]}` of a profile, though it was asked: start again"
                    raise ProgramError(message)
                yield profile

    def _of_profile(self, operation: str, profile_id: str) -> Iterator[Json]:
        for page in self._client.pages(operation, path={"id": profile_id}):
            for resource in jsonapi.resources(page):
                yield {"profile_id": profile_id, **jsonapi.lift(resource)}

    def _coupon_codes(self, profile_id: str) -> Iterator[Json]:
        """The codes that a profile was given, each with what its coupon is for."""
        params = {"filter": Operator.EQUALS("profile.id", profile_id), "include": "coupon", "page[size]": "100"}
        for page in self._client.pages("get_coupon_codes", params=params):
            coupons = _included(page, "coupon", "description")
            for resource in jsonapi.resources(page):
                code = jsonapi.lift(resource, ("profile", "coupon"))
                if code["profile_id"] not in {None, profile_id}:
                    message = "Klaviyo answered a question for one profile with a code of another: report it"
                    raise ProgramError(message)
                yield {**code, "profile_id": profile_id, "coupon_description": coupons.get(code["coupon_id"])}

    def _events(self, profile_id: str) -> Iterator[Json]:
        """The events of a profile to the last page, each with the name of its metric."""
        most = ENDPOINTS["get_events"].page
        params = {
            "filter": Operator.EQUALS("profile_id", profile_id),
            "include": "metric",
            "sort": "datetime",
            "page[size]": str(most.maximum if most else 100),
        }
        seen: set[str] = set()
        for page in self._client.pages("get_events", params=params):
            names = _included(page, "metric", "name")
            for resource in jsonapi.resources(page):
                event = jsonapi.lift(resource, ("profile", "metric"))
                if event["profile_id"] != profile_id:
                    message = "Klaviyo answered a question for one profile with an event of another: report it"
                    raise ProgramError(message)
                if event["id"] not in seen:
                    seen.add(event["id"])
                    yield {**event, "metric_name": names.get(event["metric_id"])}


def _included(page: Json, kind: str, attribute: str) -> dict[str, object]:
    """An attribute of the included resources of a type, by id."""
    return {each["id"]: (each.get("attributes") or {}).get(attribute) for each in jsonapi.included(page, kind)}


def _theirs(profiles: Mapping[str, Json], person: Person) -> dict[str, Json]:
    return {key: each for key, each in profiles.items() if _is_theirs(each, person)}


def _is_theirs(profile: Json, person: Person) -> bool:
    """Whether a profile is of the person, and not of somebody who has the same number."""
    names = [each for each in identifiers_of(profile) if each.kind not in {"id", "phone_number"}]
    by_more = any(each in person.identifiers for each in identifiers_of(profile) if each.kind != "phone_number")
    return by_more or not names or not any(each.kind != "phone_number" for each in person.given)


def _consents(profile: Json, parts: Collection[str], asked_at: datetime | None) -> list[str]:
    """The channels by which a profile may be written to by a consent of before."""
    channels = {"email", "sms", "whatsapp"} if MARKETING in parts else {"sms"} if SMS in parts else set()
    found = []
    for channel in sorted(channels):
        marketing = ((profile[_SUBSCRIPTIONS] or {}).get(channel) or {}).get("marketing") or {}
        if marketing.get("consent") == "SUBSCRIBED" and not _is_later(
            marketing.get("consent_timestamp"), asked_at
        ):
            found.append(channel)
    return found


def _is_blocked(profile: Json, asked_at: datetime | None) -> bool:
    """Whether nothing is sent to an address, or its owner has consented anew."""
    marketing = ((profile[_SUBSCRIPTIONS] or {}).get("email") or {}).get("marketing") or {}
    if marketing.get("consent") == "SUBSCRIBED":
        return _is_later(marketing.get("consent_timestamp"), asked_at)
    return bool(marketing.get("suppression"))


def _is_later(text: object, asked_at: datetime | None) -> bool:
    moment = moment_in(text)
    return moment is not None and asked_at is not None and moment > asked_at


def _enrolments(events: list[Json]) -> list[Json]:
    """By profile and flow: the events that name it. Klaviyo has no listing of who was in a flow."""
    found: dict[tuple[str, str], list[Json]] = {}
    for event in events:
        flow = (event.get("event_properties") or {}).get("$flow")
        if isinstance(flow, str) and flow:
            found.setdefault((event["profile_id"], flow), []).append(event)
    return [
        {
            "profile_id": profile_id,
            "flow_id": flow,
            "events": len(each),
            "first_event_at": min(str(event["datetime"]) for event in each),
            "last_event_at": max(str(event["datetime"]) for event in each),
        }
        for (profile_id, flow), each in sorted(found.items())
    ]


def connected(settings: RequestSettings) -> Klaviyo:
    """The account of the settings.

    Raises:
        ProgramError: they name none.
        ConfigurationError: they name none that can be called.
    """
    if not settings.api_key:
        message = "the setting `api_key` is missing: set SUBJECT_REQUESTS_API_KEY to a private key (`pk_…`)"
        raise ProgramError(message)
    client = Client(
        ApiKey(settings.api_key),
        Governor(time.monotonic, share=settings.rate_limit_share),
        Transport(session_of(1), sleep=time.sleep, clock=time.monotonic),
        api_url=settings.api_url,
        user_agent=f"{PACKAGE}/{version(PACKAGE)}",
    )
    return Klaviyo(client)
