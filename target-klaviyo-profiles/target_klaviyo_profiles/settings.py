"""The target's settings: their declaration, their values, and what a wrong one is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from singer_sdk import typing as th

from klaviyo_wire.auth import DEFAULT_API_URL
from klaviyo_wire.endpoints import DEFAULT_REVISION, OMNICHANNEL
from target_klaviyo_profiles.audit import DEFAULT_NAME as DEFAULT_AUDIT_NAME
from target_klaviyo_profiles.identifiers import PRECEDENCE
from target_klaviyo_profiles.people import FORGOTTEN, KEY_SETTING, PATH_SETTINGS, RESTRICTED
from target_klaviyo_profiles.sinks import SINKS

DEFAULT_REJECTS_PATH = Path("target-klaviyo-profiles-rejects.jsonl")
DEFAULT_LEDGER_NAME = "target-klaviyo-profiles-ledger.sqlite"

LOAD_METHOD: Mapping[str, Any] = {
    "type": "string",
    "enum": ["upsert"],
    "default": "upsert",
    "description": "Klaviyo is only ever upserted: no other method is accepted",
}
"""The SDK's setting `load_method`, with the one value that has an effect here."""

SETTINGS = th.PropertiesList(
    th.Property("api_key", th.StringType, required=True, secret=True, description="Private API key"),
    th.Property(
        "api_url",
        th.StringType,
        default=DEFAULT_API_URL,
        description="Scheme and host of Klaviyo, or of a stand-in",
    ),
    th.Property(
        "account_id",
        th.StringType,
        description=(
            "Id of the account that is written to: with the key of another one nothing is. Where Klaviyo does not "
            "tell whose the key is (scope `accounts:read`), it is taken for this one's"
        ),
    ),
    th.Property(
        "revision",
        th.StringType,
        default=DEFAULT_REVISION,
        description=(
            f"API revision that is spoken: from {OMNICHANNEL} on, the variations of campaign messages have the "
            "templates, and there is consent to the tracking of clicks"
        ),
    ),
    th.Property(
        "rate_limit_share",
        th.DecimalType(exclusive_minimum=0, maximum=1),
        default=1.0,
        description="Part of the account's request quota that a run may use, above 0 and at most 1",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=100),
        default=50,
        description="Requests and jobs in flight at once",
    ),
    th.Property(
        "on_reject",
        th.StringType(allowed_values=["warn", "fail"]),
        default="warn",
        description="Whether refused records `fail` the run, once everything good is written, or only `warn`",
    ),
    th.Property(
        "max_reject_ratio",
        th.DecimalType(minimum=0, maximum=1),
        default=0.05,
        description=(
            "Part of a stream's records that may be refused before the run ends with an error, once everything "
            "good is written. A run of which every record is refused ends with one in any case"
        ),
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        description=(
            "File that refused records are appended to, as JSON lines. Without it, "
            f"`{DEFAULT_REJECTS_PATH}` in the working directory"
        ),
    ),
    th.Property(
        "rejects_include_record",
        th.BooleanType,
        default=False,
        description=(
            "Whether the rejects file may hold personal data: keys as given, and the record. Otherwise e-mail "
            "addresses and phone numbers are hashed there, and records are left out"
        ),
    ),
    th.Property(
        "ledger_path",
        th.StringType,
        description=(
            "File that remembers, without personal data, what was sent, so that a killed run is gone on with. "
            f"Without it, `{DEFAULT_LEDGER_NAME}` beside the rejects file"
        ),
    ),
    th.Property(
        "resend_refused_after",
        th.DecimalType(minimum=0),
        default=0.0,
        description=(
            "Hours after which a row of `profiles` or `events` that Klaviyo refused is sent again as it is; 0: in "
            "every run. One that has changed is sent at once"
        ),
    ),
    th.Property(
        "clearable_fields",
        th.ArrayType(th.StringType(allowed_values=sorted({name for sink in SINKS for name in sink.clearable}))),
        default=[],
        description=(
            "Fields of `profiles` that an explicit null clears; such records are written one by one. In any other "
            "field null says nothing"
        ),
    ),
    th.Property(
        "identifier_precedence",
        th.ArrayType(th.StringType(allowed_values=PRECEDENCE)),
        default=list(PRECEDENCE),
        description=(
            "Identifiers that `profiles` and `events` may be known by (`id` is `profile_id` in events): of those "
            "a record has, only the first is sent"
        ),
    ),
    th.Property(
        "allow_deletions",
        th.BooleanType,
        default=False,
        description="Whether profiles may be deleted, which nothing can undo",
    ),
    th.Property(
        "audit_path",
        th.StringType,
        description=(
            "File that every request for a deletion is appended to, as JSON lines, with e-mail addresses and "
            f"phone numbers hashed. Without it, `{DEFAULT_AUDIT_NAME}` beside the rejects file"
        ),
    ),
    th.Property(
        PATH_SETTINGS[FORGOTTEN],
        th.StringType,
        description=(
            "List of people who asked to be forgotten, a keyed hash a line: no record that mentions one of them "
            "is written, but deletions. A list that cannot be read ends the run before anything is read"
        ),
    ),
    th.Property(
        PATH_SETTINGS[RESTRICTED],
        th.StringType,
        description=(
            "List of people whose data is restricted, of the same form and key: no record that mentions one of "
            "them is written, no deletion either"
        ),
    ),
    th.Property(
        KEY_SETTING,
        th.StringType,
        secret=True,
        description="Key of the hashes of both lists, of 32 characters at least",
    ),
    th.Property(
        "events_backfill",
        th.BooleanType,
        default=True,
        description=(
            "Whether events are only recorded; if false, they may trigger flows, and so send messages. A record's "
            "own `backfill` comes first"
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        description="Check and split everything, say what would be sent, and send nothing; no STATE is written",
    ),
    th.Property(
        "job_timeout",
        th.DecimalType(exclusive_minimum=0),
        default=3600.0,
        description="Seconds a job may take before the run goes on without it and ends with an error",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The values of a run; the attributes are the settings of the same names."""

    api_key: str
    api_url: str
    account_id: str | None
    revision: str
    rate_limit_share: float
    concurrency: int
    on_reject: str
    max_reject_ratio: float
    rejects_path: Path
    rejects_include_record: bool
    ledger_path: Path
    resend_refused_after: float
    clearable_fields: frozenset[str]
    identifier_precedence: tuple[str, ...]
    allow_deletions: bool
    audit_path: Path
    forgotten_path: Path | None
    restricted_path: Path | None
    forgotten_key: str | None
    events_backfill: bool
    dry_run: bool
    job_timeout: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """The values that a configuration gives, and the defaults of those that it leaves out or gives as null.

        Args:
            config: Valid by `SETTINGS`.
        """
        values = {name: _value(name, config) for name in cls.__dataclass_fields__}
        rejects = Path(values["rejects_path"] or DEFAULT_REJECTS_PATH)
        ledger, audit = values["ledger_path"], values["audit_path"]
        return cls(
            **{
                **values,
                "rejects_path": rejects,
                "ledger_path": Path(ledger) if ledger else rejects.parent / DEFAULT_LEDGER_NAME,
                "audit_path": Path(audit) if audit else rejects.parent / DEFAULT_AUDIT_NAME,
                **{name: Path(values[name]) if values[name] else None for name in PATH_SETTINGS.values()},
                KEY_SETTING: values[KEY_SETTING] or None,
                "clearable_fields": frozenset(values["clearable_fields"]),
                "identifier_precedence": tuple(dict.fromkeys(values["identifier_precedence"])) or PRECEDENCE,
            }
        )


SECRETS = tuple(name for name, each in SETTINGS.to_dict()["properties"].items() if each.get("secret"))
"""Settings whose values are never told."""
_DEFAULTS = {name: each.get("default") for name, each in SETTINGS.to_dict()["properties"].items()}


def _value(name: str, config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of the setting's own type
    value = config.get(name)
    if value is None:
        return _DEFAULTS[name]
    return float(value) if isinstance(value, Decimal) else value  # the SDK reads a config file's numbers so


def with_remedy(fault: str) -> str:
    """What to do about a fault that the validation found; never with the value of a secret, which it may quote."""
    if fault == "'api_key' is a required property":
        return "the setting `api_key` is missing: set TARGET_KLAVIYO_PROFILES_API_KEY to a private key (`pk_…`)"
    secret = next((name for name in SECRETS if name in fault), None)
    return f"the setting `{secret}` is not text" if secret else fault
