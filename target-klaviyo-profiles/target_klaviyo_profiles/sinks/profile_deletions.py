"""Deletions of profiles, for good: only where the settings allow it, and each is written to an audit file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from target_klaviyo_profiles import audit
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.people import FORGOTTEN
from target_klaviyo_profiles.rows import ONE_RECORD, Group, Reason, Rejected, Resource, Route, Row
from target_klaviyo_profiles.sinks.profile_reference import PROFILE_ID, profile_key, profile_resource
from target_klaviyo_profiles.sinks.record_sink import RecordSink, record_call

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

_IDENTIFIERS = (PROFILE_ID, "email", "phone_number")
_DELETE = Route("request_profile_deletion", ONE_RECORD)


class ProfileDeletions(RecordSink):
    """Deletes every profile that an identifier matches. Nothing brings them back."""

    stream: ClassVar[str] = "profile_deletions"
    # Somebody who was forgotten and came back, by an import or an event of elsewhere, is deleted again.
    written_about: ClassVar[frozenset[str]] = frozenset({FORGOTTEN})
    routes: ClassVar[tuple[Route, ...]] = (_DELETE,)
    fields: ClassVar[tuple[Field, ...]] = (
        Field(PROFILE_ID, Kind.TEXT, "Klaviyo's id of the profile; a record has one of the three"),
        Field("email", Kind.TEXT, "Its address"),
        Field("phone_number", Kind.TEXT, "Its number, with `+` and country code"),
        Field(
            "request_id",
            Kind.TEXT,
            "Your name of the request that it answers, for the file of `audit_path`",
        ),
    )

    @override
    def disabled(self) -> str | None:
        if self.options.allow_deletions:
            return None
        return "it deletes profiles for good: set `allow_deletions` to true if that is what you want"

    @override
    def identify(self, record: Json) -> Key:
        key = profile_key(record, _IDENTIFIERS)
        if several := [name for name in _IDENTIFIERS if record.get(name, "").strip()][1:]:
            names = ", ".join(f"`{name}`" for name in (key.kind, *several))
            detail = f"the record has {names}, which may be different people"
            raise Rejected(Reason("several_identifiers", detail, "Give exactly one.", f"/{several[0]}"), key)
        return key

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        body: Json = {
            "type": "data-privacy-deletion-job",
            "attributes": {"profile": {"data": profile_resource(key, record)}},
        }
        return Resource(body, Group(_DELETE, (record.get("request_id"),)))

    @override
    def write(self, row: Row, context: SinkContext) -> bool:
        """Ask for the deletion; False when there is no such profile, or no longer."""
        self._audit(row, audit.ASKING, context)
        try:
            record_call(_DELETE.operation, context, b'{"data":%b}' % row.payload)
        except Rejected as refused:
            if refused.reason.code != "not_found":
                self._audit(row, f"{audit.REFUSED}{refused.reason.code}", context)
                raise
            self._audit(row, audit.NOT_THERE, context)
            return False
        self._audit(row, audit.ACCEPTED, context)
        return True

    def _audit(self, row: Row, said: str, context: SinkContext) -> None:
        """Write it down.

        Raises:
            OutputError: the file cannot be written; then nothing is asked for, either.
        """
        (request_id,) = row.group.shared
        audit.append(self.options.audit_path, row.key, request_id, said, context.now())
