"""What the streams of one run share: clock, settings, request loop, and what each tells the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any

from klaviyo_wire.accounts import NOT_NAMED, owner
from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.errors import ConfigurationError, KlaviyoError
from klaviyo_wire.ratelimit import Governor
from klaviyo_wire.sessions import session_of
from singer_program.errors import ProgramError
from singer_program.json_text import without_nul
from tap_klaviyo_engagement.connection_test import ConnectionTest
from tap_klaviyo_engagement.errors import concerns_all
from tap_klaviyo_engagement.extraction.record_decoder import decode
from tap_klaviyo_engagement.extraction.whole_reading import WholeReading
from tap_klaviyo_engagement.name_lookup import NameLookup
from tap_klaviyo_engagement.rejects import Rejects
from tap_klaviyo_engagement.settings import CONCURRENCY, Settings
from tap_klaviyo_engagement.times import iso, second

if TYPE_CHECKING:
    from klaviyo_wire.jsonapi import Json
    from singer_program.people_list import PeopleLists
    from tap_klaviyo_engagement.emission.column_rules import ColumnRules

MARGIN = timedelta(minutes=5)
"""How much older than the run a row must be to move a bookmark.

What was written lately may not be readable yet: delays of up to three minutes were recorded (a bulk import, a
historical subscription), and this machine's clock need not be Klaviyo's. Younger rows come again next time.
"""


@dataclass
class RunContext:
    """What the streams of one run share.

    Args:
        config: The tap's configuration.
        now: The wall clock, UTC.
        sleep: Waits for a number of seconds.
    """

    config: Mapping[str, Any]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    column_rules: Mapping[str, ColumnRules] = field(default_factory=dict)
    """What is hashed or left out, by stream."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why each stream that could not finish could not."""
    left_out: set[str] = field(default_factory=set)
    """Streams that were not read because the account or the settings do not provide for them."""
    account: str | None = None
    """Id of the account that the key is of; None where nobody asked for it, or Klaviyo does not tell."""
    snapshots: list[Json] = field(default_factory=list)
    """Rows of `membership_snapshots`: what was read completely so far."""
    whole_readings: dict[str, WholeReading] = field(default_factory=dict)
    """What streams that see everything there is have seen, by the stream's name, once it is read."""
    named: dict[str, WholeReading] = field(default_factory=dict)
    """What whole listings have seen of the rows' own ids, by operation."""

    def __post_init__(self) -> None:
        """Fix the moment that the run goes up to."""
        self.limit = second(self.now() - MARGIN)
        """No bookmark and no upper bound lies after it."""

    def begin_reading(self) -> WholeReading:
        """A reading that begins now."""
        return WholeReading(iso(self.now()))

    def snapshot(self, group_type: str, group_id: str, began: str, count: int) -> None:
        """Something was read completely.

        Args:
            group_type: `list`, `segment` or `account`.
            group_id: Id of the list or segment; of the account, what of it.
            began: When the reading began.
            count: What it saw.
        """
        self.snapshots.append(
            {"group_type": group_type, "group_id": group_id, "snapshot_at": began, "member_count": count}
        )

    @cached_property
    def settings(self) -> Settings:
        """The settings; discovery does without.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        return Settings.of(self.config)

    @cached_property
    def rejects(self) -> Rejects:
        """The rows that cannot be read."""
        return Rejects(self.settings.rejects_path, self.settings.max_rejects, self.now)

    @cached_property
    def forgotten(self) -> PeopleLists | None:
        """Who asked to be forgotten; None where nobody has.

        Raises:
            ConfigurationError: it is not known who.
        """
        if not self.config.get("forgotten_path") and not self.config.get("forgotten_key"):
            return None
        from singer_program.people_list import forgotten  # noqa: PLC0415 - phone numbers take a while to import

        try:
            return forgotten(self.config)
        except ProgramError as error:
            raise ConfigurationError(str(error)) from error

    @cached_property
    def client(self) -> Client:
        """The one request loop of the process. A request names the revision that its endpoint's entry describes.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        settings = self.settings
        return Client(
            ApiKey(settings.api_key),
            Governor(time.monotonic, share=settings.rate_limit_share),
            Transport(
                session_of(settings.concurrency or CONCURRENCY),
                self.sleep,
                timeout=(10.0, settings.request_timeout),
                most_bytes=settings.response_size_limit * 1_000_000,
                most_seconds=settings.response_timeout,
                clock=monotonic,
                received=without_nul if settings.nul_characters == "replace" else None,
            ),
            api_url=settings.api_url,
            user_agent=f"tap-klaviyo-engagement/{version('tap-klaviyo-engagement')}",
            decode=decode,
        )

    @cached_property
    def account_document(self) -> Json:
        """What Klaviyo tells of the account that the key is of: its id and time zone. Costs one request a run.

        Raises:
            KlaviyoError: it tells nothing.
        """
        return self.client.call("get_accounts", params={"fields[account]": "timezone"})

    def unread(self, stream: str) -> bool:
        """Whether the stream could not finish, or was left out."""
        return stream in self.failed or stream in self.left_out

    def ask_for_account(self) -> str:
        """Find out whose the key is; why Klaviyo does not tell it, if it does not.

        Raises:
            KlaviyoError: no stream can succeed, either.
        """
        try:
            self.account = owner(self.account_document)
        except KlaviyoError as error:
            if concerns_all(error):
                raise
            return str(error)
        return "" if self.account else NOT_NAMED

    @cached_property
    def name_lookup(self) -> NameLookup:
        """Finds what settings choose by name or id."""
        return NameLookup(self.client)

    @cached_property
    def connection_test(self) -> ConnectionTest:
        """Finds out whether the key can read a stream."""
        return ConnectionTest(self.client)
