"""Profiles, as the store keeps them.

They have a layout of their own: what requests filter by, and what other writes change, stands in columns; the rest
is JSON, and so is what answers show of a profile until it is written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct, field

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.records import NEVER, Consent, ConsentState, Json, Origin, Profile
from klaviyo_sandbox.protocol.resources import stored_attributes
from klaviyo_sandbox.state.database import Row, marks
from klaviyo_sandbox.state.repository import Repository

PROFILE_COLUMNS = (
    "profiles.id, profiles.email, profiles.phone_number, profiles.external_id, profiles.created,"
    " profiles.updated, profiles.last_event_date, profiles.email_state, profiles.email_changed_at,"
    " profiles.sms_state, profiles.sms_changed_at, profiles.details"
)
SHOWN_COLUMNS = f"{PROFILE_COLUMNS}, profiles.attributes"
"""Together with the attributes that were encoded when the profile was written (`resources.stored_attributes`)."""
_names = [name.strip().removeprefix("profiles.") for name in SHOWN_COLUMNS.split(",")]
_PUT_PROFILE = (
    f"insert into profiles values ({marks(len(_names))}) on conflict (id) do update set "  # noqa: S608
    + ", ".join(f"{name} = excluded.{name}" for name in _names[1:])
)
_STATES = {each.value: each for each in ConsentState}
_encode = msgspec.json.encode


class _Details(Struct, frozen=True, omit_defaults=True):
    """The part of a profile that no request filters by."""

    first_name: str | None = None
    last_name: str | None = None
    organization: str | None = None
    locale: str | None = None
    title: str | None = None
    image: str | None = None
    location: Json = field(default_factory=dict)
    properties: Json = field(default_factory=dict)
    predictive_analytics: Json = field(default_factory=dict)
    email_origin: Origin | None = None
    sms_origin: Origin | None = None
    whatsapp_marketing: Consent = NEVER
    push_marketing: Consent = NEVER
    email_open_tracking: Consent = NEVER
    email_click_tracking: Consent = NEVER
    sms_transactional: Consent = NEVER
    whatsapp_transactional: Consent = NEVER


_details = msgspec.json.Decoder(_Details)


class ProfileStore(Repository):
    """Writes and finds profiles."""

    schema = """
        create table profiles (
            id text primary key,
            email text collate nocase unique,
            phone_number text unique,
            external_id text unique,
            created integer not null,
            updated integer not null,
            last_event_date integer,
            email_state text not null,
            email_changed_at text,
            sms_state text not null,
            sms_changed_at text,
            details blob not null,
            attributes blob not null
        );
        create index profiles_created on profiles (created, id);
        create index profiles_updated on profiles (updated, id);
    """

    def add_profiles(self, profiles: Iterable[Profile]) -> None:
        """Insert profiles.

        Raises:
            sqlite3.IntegrityError: an id, e-mail, phone number or external id is taken; nothing is inserted.
        """
        self.insert("profiles", map(_profile_row, profiles))

    def put_profile(self, profile: Profile) -> None:
        """Replace the profile of this id, or insert it."""
        self.write(_PUT_PROFILE, [_profile_row(profile)])

    def profile(self, profile_id: str) -> Profile | None:
        """The profile of this id."""
        return self.profile_by("id", profile_id)

    def profile_by(self, identifier: str, value: str) -> Profile | None:
        """The profile with this `id`, `email` (in any case), `phone_number` or `external_id`."""
        rows = self.read(f"select {PROFILE_COLUMNS} from profiles where {identifier} = ?", [value])  # noqa: S608
        return profile_of(rows[0]) if rows else None

    def profiles(self, profile_ids: Sequence[str]) -> list[Profile]:
        """Those of these profiles that exist."""
        rows = self.read(
            f"select {PROFILE_COLUMNS} from profiles where id in ({marks(len(profile_ids))})",  # noqa: S608
            profile_ids,
        )
        return [profile_of(row) for row in rows]

    def touch_profiles(self, profile_ids: Iterable[str], updated: int) -> None:
        """Move `updated` of these profiles, as if something about them had changed."""
        self.write("update profiles set updated = ? where id = ?", ((updated, each) for each in profile_ids))

    def set_email_state(self, profile_ids: Iterable[str], state: ConsentState, at: datetime) -> None:
        """Change the consent to e-mail marketing of these profiles; moves `updated`."""
        changed = times.micros(at)
        self.write(
            "update profiles set email_state = ?, email_changed_at = ?, updated = max(updated, ?) where id = ?",
            ((state.value, changed, int(at.timestamp()), each) for each in profile_ids),
        )


def profile_of(row: Sequence[Any]) -> Profile:
    """The profile in a row that begins with `PROFILE_COLUMNS`."""
    details = _details.decode(row[11])
    return Profile(
        id=row[0],
        email=row[1],
        phone_number=row[2],
        external_id=row[3],
        created=row[4],
        updated=row[5],
        last_event_date=row[6],
        email_marketing=_consent(row[7], row[8], details.email_origin),
        sms_marketing=_consent(row[9], row[10], details.sms_origin),
        first_name=details.first_name,
        last_name=details.last_name,
        organization=details.organization,
        locale=details.locale,
        title=details.title,
        image=details.image,
        location=details.location,
        properties=details.properties,
        predictive_analytics=details.predictive_analytics,
        whatsapp_marketing=details.whatsapp_marketing,
        push_marketing=details.push_marketing,
        email_open_tracking=details.email_open_tracking,
        email_click_tracking=details.email_click_tracking,
        sms_transactional=details.sms_transactional,
        whatsapp_transactional=details.whatsapp_transactional,
    )


def _consent(state: str, changed_at: str | None, origin: Origin | None) -> Consent:
    consent = Consent(_STATES[state], times.maybe_parse(changed_at))
    if origin is None or consent.state is not ConsentState.SUBSCRIBED:
        return consent
    return msgspec.structs.replace(consent, origin=origin)


def _profile_row(profile: Profile) -> Row:
    email, sms = profile.email_marketing, profile.sms_marketing
    details = _Details(
        profile.first_name,
        profile.last_name,
        profile.organization,
        profile.locale,
        profile.title,
        profile.image,
        profile.location,
        profile.properties,
        profile.predictive_analytics,
        email.origin,
        sms.origin,
        profile.whatsapp_marketing,
        profile.push_marketing,
        profile.email_open_tracking,
        profile.email_click_tracking,
        profile.sms_transactional,
        profile.whatsapp_transactional,
    )
    return (
        profile.id,
        profile.email,
        profile.phone_number,
        profile.external_id,
        profile.created,
        profile.updated,
        profile.last_event_date,
        email.state.value,
        email.changed_at and times.micros(email.changed_at),
        sms.state.value,
        sms.changed_at and times.micros(sms.changed_at),
        _encode(details),
        _encode(stored_attributes(profile)),
    )
