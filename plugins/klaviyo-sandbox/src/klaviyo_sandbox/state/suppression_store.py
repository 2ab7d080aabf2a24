"""Suppressions, as the store keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from klaviyo_sandbox.model.records import ConsentState, Suppression, SuppressionReason
from klaviyo_sandbox.state.database import marks
from klaviyo_sandbox.state.profile_store import ProfileStore


class SuppressionStore(ProfileStore):
    """Writes and finds suppressions."""

    def suppress(self, suppressions: Iterable[Suppression]) -> None:
        """Add suppressions; one that is already there stays as it is."""
        self.add(suppressions, clash="ignore")

    def suppressions(self, profile_ids: Sequence[str]) -> list[Suppression]:
        """The suppressions of these profiles, oldest first."""
        return self.find(Suppression, f"profile_id in ({marks(len(profile_ids))}) order by at", profile_ids)

    def lift(self, profile_id: str, reasons: Iterable[SuppressionReason]) -> int:
        """Take a profile's suppressions of these reasons away, those of lists too. Answers how many there were."""
        lifted = list(reasons)
        sql = f"delete from suppressions where profile_id = ? and reason in ({marks(len(lifted))})"  # noqa: S608
        return self.write(sql, [[profile_id, *lifted]])

    def unsubscribe(self, profile_ids: Iterable[str], at: datetime) -> None:
        """Unsubscribe from e-mail marketing, with the suppression that goes with it; moves `updated`."""
        ids = list(profile_ids)
        with self.transaction():
            self.set_email_state(ids, ConsentState.UNSUBSCRIBED, at)
            self.suppress(Suppression(each, SuppressionReason.UNSUBSCRIBE, at) for each in ids)
