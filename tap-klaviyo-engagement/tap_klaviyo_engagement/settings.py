"""The settings: what a person may say, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from singer_sdk import typing as th

from klaviyo_wire.auth import DEFAULT_API_URL
from klaviyo_wire.endpoints import DEFAULT_REVISION
from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.times import moment

CONCURRENCY = 16
"""Requests under way at once, where the setting does not say."""

DEFAULT_REJECTS_PATH = "tap-klaviyo-engagement-rejects.jsonl"

LARGE_PAGE = 1_000
"""Rows of a page that is a megabyte or so."""

LARGE_CONCURRENCY = 12
"""The same where pages are large: each is held in memory, and at 100 ms an answer these keep a processor busy."""

MOST_DAYS = 36_500
"""Of a lookback: Klaviyo has no older rows, and dates begin with the year 1."""

NAMES = th.ArrayType(th.StringType)

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property("api_key", th.StringType, required=True, secret=True, description="Private API key (`pk_…`)"),
    th.Property("api_url", th.StringType, default=DEFAULT_API_URL, description="Scheme and host of the API"),
    th.Property(
        "revision",
        th.StringType,
        default=DEFAULT_REVISION,
        description="Newest API revision to use: from 2026-10-15 on, campaigns are of Klaviyo's omnichannel model",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        description="Events and profiles from before this moment are not read; what they refer to is, all of it",
    ),
    th.Property(
        "event_lookback",
        th.NumberType(minimum=0, maximum=MOST_DAYS),
        default=7,
        description="Days behind the bookmark that are read again for events that arrived late",
    ),
    th.Property("metrics", NAMES, description="Names or ids of the metrics whose events are read; default all"),
    th.Property("lists", NAMES, description="Names or ids of the lists whose members are read; default all"),
    th.Property("segments", NAMES, description="Names or ids of the segments whose members are read; default all"),
    th.Property(
        "include_subscriptions",
        th.BooleanType,
        default=False,
        description="Add `subscriptions` to profiles: consent and suppression per channel",
    ),
    th.Property(
        "include_attributions",
        th.BooleanType,
        default=False,
        description="Add `attributions` to events: what Klaviyo credits with it, as it says when it is read",
    ),
    th.Property(
        "include_predictive_analytics",
        th.BooleanType,
        default=False,
        description="Add the stream `profile_predictive_analytics`, of which Klaviyo gives 150 pages a minute",
    ),
    th.Property(
        "report_conversion_metric",
        th.StringType,
        description="Name or id of the metric whose conversions the reports on campaigns and flows tell",
    ),
    th.Property(
        "report_lookback",
        th.IntegerType(minimum=0, maximum=MOST_DAYS),
        default=7,
        description="Days that reports read again, once a day: results come late",
    ),
    th.Property(
        "rate_limit_share",
        th.NumberType(exclusive_minimum=0, maximum=1),
        default=1,
        description="Part of the account's request quota this tap may use, above 0 and at most 1",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1),
        description=(
            "Most requests under way at once; an endpoint that allows fewer a second gets fewer. Without it "
            f"{CONCURRENCY}, and {LARGE_CONCURRENCY} where a page has 1,000 rows"
        ),
    ),
    th.Property(
        "nul_characters",
        th.StringType,
        default="replace",
        allowed_values=["keep", "replace"],
        description=(
            "What becomes of the character NUL in texts and documents: `replace` puts U+FFFD in its place, since "
            "many warehouses cannot hold it; `keep` is for a loader that can"
        ),
    ),
    th.Property(
        "hash",
        NAMES,
        description=(
            "Columns that are emitted as a keyed hash: `email` in every stream that has it, `profiles.email` in "
            "one, `event_properties.address` within an object. Keys and what a stream is read by cannot be"
        ),
    ),
    th.Property(
        "hashing_key",
        th.StringType,
        secret=True,
        description="Key of those hashes, of 32 characters at least: with another one, nothing fits what was read",
    ),
    th.Property(
        "leave_out",
        NAMES,
        description="Columns that are not emitted, named as in `hash`; a whole column is not asked for either",
    ),
    th.Property(
        "forgotten_path",
        th.StringType,
        description=(
            "List of people who asked to be forgotten, a keyed hash a line, as the target has it: their profiles, "
            "events and refused imports are read and not passed on. A list that cannot be read ends the run"
        ),
    ),
    th.Property("forgotten_key", th.StringType, secret=True, description="Key of the hashes of that list"),
    th.Property(
        "max_rejects",
        th.IntegerType(minimum=0),
        default=100,
        description="Rows of a stream that a run may put aside because they cannot be read; one more stops it",
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        default=DEFAULT_REJECTS_PATH,
        description="File that rows which cannot be read are named in, as JSON lines; made for the first one",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        description="Seconds to wait for the next bytes of an answer before asking again",
    ),
    th.Property(
        "response_size_limit",
        th.IntegerType(minimum=1),
        default=256,
        description="Megabytes that an answer may have, unpacked; a larger one ends its stream",
    ),
    th.Property(
        "response_timeout",
        th.NumberType(exclusive_minimum=0),
        default=300,
        description="Seconds in which the whole of an answer must have come; then it is asked for again",
    ),
).to_dict()


DEFAULTS: dict[str, Any] = {
    name: kind["default"] for name, kind in SCHEMA["properties"].items() if "default" in kind
}


@dataclass(frozen=True)
class Settings:
    """The settings as the tap uses them. None of `metrics`, `lists`, `segments` named means all."""

    api_key: str
    api_url: str
    revision: str
    start_date: datetime | None
    event_lookback: timedelta
    metrics: tuple[str, ...]
    lists: tuple[str, ...]
    segments: tuple[str, ...]
    report_conversion_metric: str
    report_lookback: timedelta
    rate_limit_share: float
    concurrency: int | None
    nul_characters: str
    max_rejects: int
    rejects_path: Path
    request_timeout: float
    response_size_limit: int
    response_timeout: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """The settings of a configuration that agrees with `SCHEMA`; null and empty text mean the default.

        Raises:
            ConfigurationError: `start_date` is not a time.
        """
        given = DEFAULTS | {name: value for name, value in config.items() if value not in (None, "")}
        start = given.get("start_date")
        try:
            start_date = moment(start) if start else None
        except ValueError as error:
            msg = f"the setting `start_date` is {start!r}: give a date or a time, such as 2026-01-01"
            raise ConfigurationError(msg) from error
        return cls(
            api_key=given.get("api_key", ""),
            api_url=given["api_url"],
            revision=given["revision"],
            start_date=start_date,
            event_lookback=timedelta(days=given["event_lookback"]),
            metrics=tuple(given.get("metrics", ())),
            lists=tuple(given.get("lists", ())),
            segments=tuple(given.get("segments", ())),
            report_conversion_metric=given.get("report_conversion_metric", ""),
            report_lookback=timedelta(days=given["report_lookback"]),
            rate_limit_share=given["rate_limit_share"],
            concurrency=int(given["concurrency"]) if "concurrency" in given else None,
            nul_characters=given["nul_characters"],
            max_rejects=int(given["max_rejects"]),
            rejects_path=_file(given["rejects_path"]),
            request_timeout=given["request_timeout"],
            response_size_limit=int(given["response_size_limit"]),
            response_timeout=given["response_timeout"],
        )

    def concurrency_of(self, rows: int) -> int:
        """Requests under way at once to an endpoint with so many rows a page.

        Unless it is set, fewer where pages are large: more of those come faster than one processor writes them,
        and each is held in memory meanwhile. So no setting is not the same as `CONCURRENCY`.
        """
        return self.concurrency or (LARGE_CONCURRENCY if rows >= LARGE_PAGE else CONCURRENCY)


def _file(path: str) -> Path:
    """A file's path.

    Raises:
        ConfigurationError: it is that of a folder.
    """
    if Path(path).is_dir():
        msg = f"the setting `rejects_path` is {path!r}, which is a folder: name a file"
        raise ConfigurationError(msg)
    return Path(path)
