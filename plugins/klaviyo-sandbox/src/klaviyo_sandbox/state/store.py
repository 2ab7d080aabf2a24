"""The account's data, all of it in one SQLite database in memory.

What records of every kind have in common (`put`, `get`, `find`, `delete`) is in `repository.py`. A kind that is
kept in a way of its own has a part of the store to itself. Reading pages for the API is `pages.py`.
"""

from __future__ import annotations

from typing_extensions import override

from klaviyo_sandbox.model.records import CampaignMessage, FlowAction, FlowMessage, Metric, Profile, Template
from klaviyo_sandbox.state.audience_store import AudienceStore
from klaviyo_sandbox.state.event_store import EventStore
from klaviyo_sandbox.state.import_job_store import ImportJobStore
from klaviyo_sandbox.state.suppression_store import SuppressionStore


class Store(AudienceStore, SuppressionStore, EventStore, ImportJobStore):
    """Holds the account. `add` inserts, `put` inserts or replaces; look-ups answer None when there is nothing."""

    def delete_profile(self, profile: Profile, alias: str) -> None:
        """Forget a profile. Its events and codes stay, of nobody, with `alias` where its e-mail address stood."""
        with self.transaction():
            for table in ("members", "suppressions", "import_profiles", "push_tokens", "conversations"):
                self.write(f"delete from {table} where profile_id = ?", [[profile.id]])  # noqa: S608
            self.write("update coupon_codes set profile_id = null where profile_id = ?", [[profile.id]])
            self.write("delete from profiles where id = ?", [[profile.id]])
            self.disown_events(profile, alias)

    def metric_named(self, name: str, integration_key: str) -> Metric | None:
        """The metric of this name and integration; names alone repeat across integrations."""
        return self.first(Metric, "name = ? and integration_key = ?", [name, integration_key])

    def template_named(self, name: str) -> Template | None:
        """The listed template of this name; the newest where several share it."""
        return self.first(Template, "reusable and name = ? order by created desc, id desc", [name])

    def messages_of(self, campaign_id: str) -> list[CampaignMessage]:
        """A campaign's messages, oldest first."""
        return self.find(CampaignMessage, "campaign_id = ? order by created_at, id", [campaign_id])

    def actions_of(self, flow_id: str) -> list[FlowAction]:
        """A flow's actions, by id: in the order they were made."""
        return self.find(FlowAction, "flow_id = ? order by id", [flow_id])

    def messages_of_action(self, action_id: str) -> list[FlowMessage]:
        """A flow action's messages, by id."""
        return self.find(FlowMessage, "action_id = ? order by id", [action_id])

    @override
    def counts(self) -> dict[str, int]:
        """How many rows there are of everything that can be read, and of late events, which cannot yet be."""
        return {**super().counts(), "late_events": self.count("late_events")}
